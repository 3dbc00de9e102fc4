using System.Text.Json;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Weights;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>A model folder with random weights, and engines on it. Its disposal, last in a test, fails if the test left tensors behind.</summary>
internal sealed class RandomModel : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly long tensorsBefore;

    public RandomModel(bool tied = false, int seed = 1)
        : this(Plain(tied).ToJson("float32"), seed)
    {
    }

    /// <param name="config">The text of its config.json.</param>
    /// <param name="seed">Of its weights.</param>
    public RandomModel(string config, int seed = 1)
    {
        TorchRuntime.EnsureLoaded();
        tensorsBefore = LiveTensors.Settled();
        Config = DecoderConfig.Parse(config, "config.json");
        folder.Write("config.json", config);
        folder.Write("tokenizer.json", TokenizerText(Config.VocabularySize));
        using var scope = NewDisposeScope();
        SafetensorsWriter.Write(folder.File("model.safetensors"), RandomWeights(Config, seed));
    }

    public DecoderConfig Config { get; }

    public string Path => folder.Path;

    public LlmEngine Start(Func<EngineOptions, EngineOptions>? change = null, TimeProvider? time = null)
    {
        var options = new EngineOptions
        {
            ModelFolder = Path,
            Threads = 1,
            BlockSize = 4,
            KvBlocks = 512,
            MaxBatchTokens = 24,
            MaxRunningRequests = 16,
            MaxFinetuneTokensPerIteration = 8,
        };
        return LlmEngine.Load(change?.Invoke(options) ?? options, time ?? TimeProvider.System, NullLoggerFactory.Instance);
    }

    /// <summary>A LoRA adapter on all seven matrices of every layer, large enough to change what is generated.</summary>
    public PeftAdapter Adapter(string name, int rank, int seed, ScalarType type = ScalarType.Float32)
    {
        using AdapterValues values = RandomAdapter.Values(new LoraMethod { Rank = rank, Alpha = 0.5 * rank }, Config, seed, type);
        return values.Build(name, weights: null, "sha256:" + name);
    }

    public int[] Prompt(int length, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => random.Next(2, Config.VocabularySize))];
    }

    public void Dispose()
    {
        folder.Dispose();
        Xunit.Assert.Equal(tensorsBefore, Tensor.TotalCount);
    }

    private static DecoderConfig Plain(bool tied) => new()
    {
        HiddenSize = 32,
        IntermediateSize = 48,
        Layers = 2,
        Heads = 4,
        KeyValueHeads = 2,
        HeadSize = 8,
        VocabularySize = 300,
        MaximumPositions = 256,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = tied,
        EndOfSequenceIds = [1],
    };

    public static Dictionary<string, Tensor> RandomWeights(DecoderConfig config, int seed)
    {
        manual_seed(seed);
        int hidden = config.HiddenSize, keys = config.KeyValueHeads * config.HeadSize, queries = config.Heads * config.HeadSize;
        var tensors = new Dictionary<string, Tensor>
        {
            ["model.embed_tokens.weight"] = randn(config.VocabularySize, hidden) * 0.5,
            ["model.norm.weight"] = Norm(hidden),
        };
        if (!config.TieWordEmbeddings)
            tensors["lm_head.weight"] = randn(config.VocabularySize, hidden) * 0.5;
        for (int layer = 0; layer < config.Layers; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            tensors[prefix + "input_layernorm.weight"] = Norm(hidden);
            tensors[prefix + "self_attn.q_proj.weight"] = Matrix(queries, hidden);
            tensors[prefix + "self_attn.k_proj.weight"] = Matrix(keys, hidden);
            tensors[prefix + "self_attn.v_proj.weight"] = Matrix(keys, hidden);
            tensors[prefix + "self_attn.o_proj.weight"] = Matrix(hidden, queries);
            tensors[prefix + "post_attention_layernorm.weight"] = Norm(hidden);
            tensors[prefix + "mlp.gate_proj.weight"] = Matrix(config.IntermediateSize, hidden);
            tensors[prefix + "mlp.up_proj.weight"] = Matrix(config.IntermediateSize, hidden);
            tensors[prefix + "mlp.down_proj.weight"] = Matrix(hidden, config.IntermediateSize);
            AddFamilys(prefix);
        }
        return tensors;

        void AddFamilys(string prefix)
        {
            string[] norms = [.. config.QueryKeyNorms ? ["self_attn.q_norm", "self_attn.k_norm"] : Array.Empty<string>(),
                .. config.OutputNorms ? ["pre_feedforward_layernorm", "post_feedforward_layernorm"] : Array.Empty<string>()];
            foreach (string name in norms)
                tensors[$"{prefix}{name}.weight"] = Norm(name.StartsWith("self", StringComparison.Ordinal) ? config.HeadSize : hidden);
            string[] biased = [.. config.QueryKeyValueBias ? ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"] : Array.Empty<string>(),
                .. config.OutputBias ? ["self_attn.o_proj"] : Array.Empty<string>(),
                .. config.MlpBias ? ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"] : Array.Empty<string>()];
            foreach (string name in biased)
                tensors[$"{prefix}{name}.bias"] = randn(tensors[$"{prefix}{name}.weight"].shape[0]) * 0.3;
        }

        Tensor Norm(int size) => 1 - config.NormOffset + (randn(size) * 0.1);
    }

    // Larger than usual initialization, so that attention and MLP matter in two layers.
    private static Tensor Matrix(int outputs, int inputs) => randn(outputs, inputs) * (2 / Math.Sqrt(inputs));

    private static string TokenizerText(int tokens)
    {
        // The 256 byte characters of GPT-2's alphabet, without merges; then tokens that no text has, since only ids with a token are drawn.
        var vocabulary = new Dictionary<string, int>();
        int next = 0;
        for (int b = 0; b < 256; b++)
        {
            bool printable = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            vocabulary[((char)(printable ? b : 256 + next++)).ToString()] = b;
        }
        for (int id = 256; id < tokens; id++)
            vocabulary[$"<{id}>"] = id;
        return JsonSerializer.Serialize(new
        {
            version = "1.0",
            added_tokens = Array.Empty<object>(),
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true },
            decoder = new { type = "ByteLevel" },
            model = new { type = "BPE", vocab = vocabulary, merges = Array.Empty<string>() },
        });
    }
}
