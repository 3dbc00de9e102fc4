using static TorchSharp.torch;

namespace AiFabric.Engine.Weights.Gguf;

/// <summary>Restores Float32 numbers from blocks.</summary>
/// <param name="blocks">Whole blocks.</param>
/// <param name="to">As many numbers as they hold.</param>
internal delegate void Dequantize(ReadOnlySpan<byte> blocks, Span<float> to);

/// <summary>How a GGUF file stores a tensor's numbers.</summary>
/// <param name="Name">ggml's.</param>
/// <param name="BlockElements">Neighbours of a row that are stored together.</param>
/// <param name="BlockBytes">What they take.</param>
/// <param name="Type">Element type when read.</param>
/// <param name="Restore">Null where the numbers are stored in <paramref name="Type"/> itself.</param>
internal sealed record GgufFormat(string Name, int BlockElements, int BlockBytes, ScalarType Type, Dequantize? Restore)
{
    private const uint Q8Zero = 8;

    /// <summary>By ggml's number. Source: ggml, docs/gguf.md.</summary>
    private static readonly Dictionary<uint, GgufFormat> Known = new()
    {
        [0] = new("F32", 1, sizeof(float), ScalarType.Float32, null),
        [1] = new("F16", 1, sizeof(ushort), ScalarType.Float16, null),
        [2] = new("Q4_0", 32, 18, ScalarType.Float32, GgufBlocks.Q4Zero),
        [3] = new("Q4_1", 32, 20, ScalarType.Float32, GgufBlocks.Q4One),
        [6] = new("Q5_0", 32, 22, ScalarType.Float32, GgufBlocks.Q5Zero),
        [7] = new("Q5_1", 32, 24, ScalarType.Float32, GgufBlocks.Q5One),
        [Q8Zero] = new("Q8_0", 32, 34, ScalarType.Float32, GgufBlocks.Q8Zero),
        [12] = new("Q4_K", 256, 144, ScalarType.Float32, GgufSuperBlocks.Q4),
        [13] = new("Q5_K", 256, 176, ScalarType.Float32, GgufSuperBlocks.Q5),
        [14] = new("Q6_K", 256, 210, ScalarType.Float32, GgufSuperBlocks.Q6),
        [30] = new("BF16", 1, sizeof(ushort), ScalarType.BFloat16, null),
    };

    private static readonly (uint Id, string Name)[] Others =
    [
        (9, "Q8_1"), (10, "Q2_K"), (11, "Q3_K"), (15, "Q8_K"), (16, "IQ2_XXS"), (17, "IQ2_XS"), (18, "IQ3_XXS"), (19, "IQ1_S"), (20, "IQ4_NL"), (21, "IQ3_S"),
        (22, "IQ2_S"), (23, "IQ4_XS"), (24, "I8"), (25, "I16"), (26, "I32"), (27, "I64"), (28, "F64"), (29, "IQ1_M"), (34, "TQ1_0"), (35, "TQ2_0"), (39, "MXFP4"),
    ];

    public static IReadOnlyDictionary<uint, GgufFormat> All => Known;

    /// <summary>Whether blocks are those of <see cref="Kernels.Q8.Import"/>.</summary>
    public bool IsQ8 => this == Known[Q8Zero];

    /// <exception cref="CheckpointException">The format is not supported.</exception>
    public static GgufFormat Of(uint id, string place)
    {
        if (Known.TryGetValue(id, out var format))
            return format;
        string name = Others.FirstOrDefault(other => other.Id == id).Name ?? $"type {id}";
        throw new CheckpointException($"{place} is stored as {name}, which is not supported: {string.Join(", ", Known.Values.Select(known => known.Name))} are.");
    }
}
