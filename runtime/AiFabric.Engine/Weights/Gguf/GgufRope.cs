using System.Runtime.InteropServices;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>How a GGUF file's rotary embeddings are stretched, as a <c>rope_scaling</c> of a <c>config.json</c>.</summary>
internal static class GgufRope
{
    /// <summary>What llama.cpp divides the frequencies by; converters make it from Llama 3's settings and leave these out.</summary>
    public const string Divisors = "rope_freqs.weight";

    private const double UsualTheta = 10_000; // llama.cpp's, whatever the architecture
    private const int ShortestTraining = 16;

    /// <summary>The base of the frequencies.</summary>
    public static double Theta(GgufShape shape) => shape.NumberOrNull("rope.freq_base") ?? UsualTheta;

    /// <exception cref="CheckpointException">The file stretches them in a way that is not supported.</exception>
    public static Dictionary<string, object?>? Scaling(GgufFile file, GgufShape shape, long headSize)
    {
        string? type = shape.TextOrNull("rope.scaling.type");
        var scaling = new Dictionary<string, object?>
        {
            ["rope_type"] = type,
            ["factor"] = shape.NumberOrNull("rope.scaling.factor"),
            ["original_max_position_embeddings"] = shape.IntegerOrNull("rope.scaling.original_context_length"),
            ["beta_fast"] = shape.NumberOrNull("rope.scaling.yarn_beta_fast"),
            ["beta_slow"] = shape.NumberOrNull("rope.scaling.yarn_beta_slow"),
        };
        shape.Ignore("rope.scaling.finetuned"); // How the model was trained, not how it computes.
        bool plain = type is null or "none";
        if (!file.Tensors.TryGetValue(Divisors, out var divisors))
            return plain ? null : scaling;
        if (!plain)
            throw file.Metadata.Refuse($"has '{Divisors}' and rope.scaling.type '{type}'; one of them is supported");
        return Llama3(file, divisors, Theta(shape), headSize);
    }

    // Found again by trying: the largest divisor is the factor, and all Llamas use the same two borders.
    private static Dictionary<string, object?> Llama3(GgufFile file, GgufEntry entry, double theta, long headSize)
    {
        const double Low = 1, High = 4;
        if (entry.Format.BlockBytes != sizeof(float) || entry.Shape.Length != 1 || entry.Shape[0] != headSize / 2)
            throw file.Metadata.Refuse($"'{Divisors}' is no F32 vector of {headSize / 2} numbers");
        var divisors = MemoryMarshal.Cast<byte, float>(file.Bytes(entry, 0, (int)entry.Bytes)).ToArray();
        double factor = divisors.Max();
        for (int positions = ShortestTraining; positions <= DecoderConfig.MostPositions && double.IsFinite(factor); positions *= 2)
        {
            double[] stretched = new Rope(theta, new Llama3Scaling(factor, Low, High, positions)).Frequencies((int)headSize);
            double[] own = new Rope(theta).Frequencies((int)headSize);
            if (Enumerable.Range(0, divisors.Length).All(i => Math.Abs((own[i] / stretched[i]) - divisors[i]) <= 1e-4 * divisors[i]))
            {
                return new Dictionary<string, object?>
                {
                    ["rope_type"] = "llama3",
                    ["factor"] = factor,
                    ["low_freq_factor"] = Low,
                    ["high_freq_factor"] = High,
                    ["original_max_position_embeddings"] = positions,
                };
            }
        }
        throw file.Metadata.Refuse($"'{Divisors}' holds divisors that are not Llama 3's, which alone are supported");
    }
}
