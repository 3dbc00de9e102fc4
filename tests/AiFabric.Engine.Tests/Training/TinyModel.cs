using AiFabric.Engine.Interop;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>A random Llama of two layers with grouped queries, written as a Hugging Face folder and loaded from there.</summary>
internal static class TinyModel
{
    public const int Vocabulary = 32;

    public static DecoderConfig Config { get; } = new()
    {
        HiddenSize = 32,
        IntermediateSize = 48,
        Layers = 2,
        Heads = 4,
        KeyValueHeads = 2,
        HeadSize = 8,
        VocabularySize = Vocabulary,
        MaximumPositions = 256,
    };

    public static DecoderWeights Load(TemporaryFolder folder, ScalarType type, DecoderConfig? config = null)
    {
        TorchRuntime.EnsureLoaded();
        set_num_threads(1); // On so small a model more threads only wait for each other; and bits are compared.
        string place = Directory.CreateDirectory(folder.File("model")).FullName;
        Write(place, config ?? Config);
        return DecoderWeights.Load(place, type, CPU);
    }

    private static void Write(string folder, DecoderConfig config)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        manual_seed(7);
        var tensors = new List<KeyValuePair<string, Tensor>>();
        int hidden = config.HiddenSize, keys = config.KeyValueHeads * config.HeadSize, queries = config.Heads * config.HeadSize;
        Matrix("model.embed_tokens", config.VocabularySize, hidden, 0.5);
        Norm("model.norm");
        // A small head: the untrained model says log(vocabulary), the loss of knowing nothing.
        Matrix("lm_head", config.VocabularySize, hidden, 0.03);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            Norm(prefix + "input_layernorm");
            Norm(prefix + "post_attention_layernorm");
            Matrix(prefix + "self_attn.q_proj", queries, hidden);
            Matrix(prefix + "self_attn.k_proj", keys, hidden);
            Matrix(prefix + "self_attn.v_proj", keys, hidden);
            Matrix(prefix + "self_attn.o_proj", hidden, queries);
            Matrix(prefix + "mlp.gate_proj", config.IntermediateSize, hidden);
            Matrix(prefix + "mlp.up_proj", config.IntermediateSize, hidden);
            Matrix(prefix + "mlp.down_proj", hidden, config.IntermediateSize);
        }

        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJson("float64"));
        SafetensorsWriter.Write(Path.Combine(folder, "model.safetensors"), tensors);

        void Norm(string name) => tensors.Add(new(name + ".weight", 1 + (0.1 * randn(hidden, ScalarType.Float64))));
        void Matrix(string name, int rows, int columns, double? deviation = null) => tensors.Add(
            new(name + ".weight", randn(rows, columns, ScalarType.Float64) * (deviation ?? 1 / Math.Sqrt(columns))));
    }
}
