using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Pretraining.Training;

/// <summary>A Llama's trainable tensors under their Hugging Face names, float32 on the CPU.</summary>
internal sealed class LlamaParameters : IDisposable
{
    public const string Embedding = "model.embed_tokens.weight";
    public const string FinalNorm = "model.norm.weight";

    private readonly Dictionary<string, Tensor> tensors = [];

    private LlamaParameters(DecoderConfig config) => Config = config;

    public DecoderConfig Config { get; }

    public IReadOnlyDictionary<string, Tensor> All => tensors;

    public Tensor this[string name] => tensors[name];

    public static string Layer(int layer, string part) => $"model.layers.{layer}.{part}.weight";

    /// <summary>Random start: embeddings normal(0, 0.02), matrices normal(0, 1/√inputs) with residual outputs at zero, norms one.</summary>
    public static LlamaParameters Initialize(DecoderConfig config, int seed)
    {
        using var generator = new Generator((ulong)seed);
        var parameters = new LlamaParameters(config);
        foreach (var (name, shape) in Shapes(config))
        {
            // A zero output projection makes every block start as the identity, which speeds up the first steps.
            bool residualOutput = name.Contains("o_proj") || name.Contains("down_proj");
            double deviation = name == Embedding ? 0.02 : 1 / Math.Sqrt(shape[^1]);
            var value = shape.Length == 1 ? ones(shape) : residualOutput ? zeros(shape) : randn(shape, generator: generator).mul_(deviation);
            parameters.tensors.Add(name, value.requires_grad_(true));
        }
        return parameters;
    }

    /// <summary>Reads the tensors out of a checkpoint.</summary>
    /// <exception cref="CheckpointException">A tensor is missing or of another shape.</exception>
    public static LlamaParameters Load(DecoderConfig config, SafetensorsFile file)
    {
        var parameters = new LlamaParameters(config);
        foreach (var (name, shape) in Shapes(config))
            parameters.tensors.Add(name, file.Read(name, shape, ScalarType.Float32).requires_grad_(true));
        return parameters;
    }

    public void Dispose()
    {
        foreach (var tensor in tensors.Values)
            tensor.Dispose();
    }

    private static IEnumerable<(string Name, long[] Shape)> Shapes(DecoderConfig config)
    {
        long hidden = config.HiddenSize, inner = config.IntermediateSize;
        long queries = config.Heads * config.HeadSize, keys = config.KeyValueHeads * config.HeadSize;
        yield return (Embedding, [config.VocabularySize, hidden]);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            yield return (Layer(layer, "input_layernorm"), [hidden]);
            yield return (Layer(layer, "self_attn.q_proj"), [queries, hidden]);
            yield return (Layer(layer, "self_attn.k_proj"), [keys, hidden]);
            yield return (Layer(layer, "self_attn.v_proj"), [keys, hidden]);
            yield return (Layer(layer, "self_attn.o_proj"), [hidden, queries]);
            yield return (Layer(layer, "post_attention_layernorm"), [hidden]);
            yield return (Layer(layer, "mlp.gate_proj"), [inner, hidden]);
            yield return (Layer(layer, "mlp.up_proj"), [inner, hidden]);
            yield return (Layer(layer, "mlp.down_proj"), [hidden, inner]);
        }
        yield return (FinalNorm, [hidden]);
    }
}
