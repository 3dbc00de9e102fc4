using AiFabric.Engine.Interop;
using AiFabric.Engine.Models.Encoders;
using AiFabric.Engine.Weights;
using AiFabric.Tests.Tokenization;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Encoders;

/// <summary>A folder with an encoder of random weights and a tokenizer of bytes.</summary>
internal sealed class TinyEncoder : IDisposable
{
    private readonly TemporaryFolder folder = new();

    /// <param name="isDamaged">Whether some of its weights are no numbers.</param>
    public TinyEncoder(bool isDamaged = false)
    {
        TorchRuntime.EnsureLoaded();
        TinyTokenizer.Write(folder.Path);
        folder.Write("config.json", Config.ToJson());
        using var scope = NewDisposeScope();
        manual_seed(1);
        var weights = Weights();
        if (isDamaged)
            weights["pooler.dense.bias"].fill_(float.NaN);
        SafetensorsWriter.Write(folder.File("model.safetensors"), weights);
    }

    public static EncoderConfig Config { get; } = new()
    {
        ModelType = EncoderConfig.UseLite,
        VocabularySize = TinyTokenizer.Size,
        TokenSize = 8,
        HiddenSize = 16,
        IntermediateSize = 24,
        Layers = 3,
        Heads = 2,
        MaximumPositions = 40,
        Context = 40,
        NormEpsilon = 1e-6,
    };

    public string Path => folder.Path;

    public void Write(string file, string text) => folder.Write(file, text);

    public EncoderEngine Start(Func<EngineOptions, EngineOptions>? change = null)
    {
        var options = new EngineOptions { ModelFolder = Path, Threads = 1, BlockSize = 4, KvBlocks = 64, MaxBatchTokens = 24, MaxRunningRequests = 16 };
        return EncoderEngine.Load(change?.Invoke(options) ?? options, TimeProvider.System, NullLoggerFactory.Instance);
    }

    public void Dispose() => folder.Dispose();

    private static Dictionary<string, Tensor> Weights()
    {
        int token = Config.TokenSize, hidden = Config.HiddenSize, intermediate = Config.IntermediateSize;
        var tensors = new Dictionary<string, Tensor>
        {
            ["embeddings.weight"] = randn(Config.VocabularySize, token),
            ["timing.frequencies"] = rand(token / 2),
        };
        Add(tensors, "layers.0.residual", hidden, token);
        Add(tensors, "pooler.dense", hidden, hidden);
        for (int layer = 0; layer < Config.Layers; layer++)
        {
            int width = layer == 0 ? token : hidden;
            string prefix = $"layers.{layer}.";
            (tensors[prefix + "attention.layer_norm.weight"], tensors[prefix + "attention.layer_norm.bias"]) = (1 + (randn(width) * 0.1), randn(width) * 0.1);
            Add(tensors, prefix + "attention.qkv", 3 * width, width);
            Add(tensors, prefix + "attention.output", hidden, width);
            (tensors[prefix + "feed_forward.layer_norm.weight"], tensors[prefix + "feed_forward.layer_norm.bias"]) = (1 + (randn(hidden) * 0.1), randn(hidden) * 0.1);
            Add(tensors, prefix + "feed_forward.up", intermediate, hidden);
            Add(tensors, prefix + "feed_forward.down", hidden, intermediate);
        }
        return tensors;
    }

    private static void Add(Dictionary<string, Tensor> tensors, string name, int outputs, int inputs) =>
        (tensors[name + ".weight"], tensors[name + ".bias"]) = (randn(outputs, inputs) * (2 / Math.Sqrt(inputs)), randn(outputs) * 0.1);
}
