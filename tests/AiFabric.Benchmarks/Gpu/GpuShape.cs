using AiFabric.Benchmarks.Speed;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Weights;
using TorchSharp;

namespace AiFabric.Benchmarks.Gpu;

/// <summary>A model whose shape is measured with random weights.</summary>
/// <param name="Name">In tables, and of its folder.</param>
/// <param name="Config">Its shape.</param>
internal sealed record GpuShape(string Name, DecoderConfig Config)
{
    /// <summary>Of Llama 3.2 1B.</summary>
    public static GpuShape OneBillion { get; } = new("random-1b", new DecoderConfig
    {
        HiddenSize = 2048,
        IntermediateSize = 8192,
        Layers = 16,
        Heads = 32,
        KeyValueHeads = 8,
        HeadSize = 64,
        VocabularySize = 128_256,
        MaximumPositions = 8192,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = true,
    });

    /// <summary>Of Llama 3.1 8B.</summary>
    public static GpuShape EightBillion { get; } = new("random-8b", new DecoderConfig
    {
        HiddenSize = 4096,
        IntermediateSize = 14_336,
        Layers = 32,
        Heads = 32,
        KeyValueHeads = 8,
        HeadSize = 128,
        VocabularySize = 128_256,
        MaximumPositions = 8192,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = false,
    });

    /// <summary>Small enough to compare with the CPU in seconds.</summary>
    public static GpuShape Small { get; } = new("random-small", new DecoderConfig
    {
        HiddenSize = 128,
        IntermediateSize = 256,
        Layers = 3,
        Heads = 4,
        KeyValueHeads = 2,
        HeadSize = 32,
        VocabularySize = 8_192,
        MaximumPositions = 512,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = false,
    });

    /// <summary>As small, with the heads of large models.</summary>
    public static GpuShape SmallWithLargeHeads { get; } = new("random-small-heads", Small.Config with { Heads = 8, KeyValueHeads = 2, HeadSize = 128 });

    /// <summary>What is measured.</summary>
    public static IReadOnlyList<GpuShape> Measured { get; } = [OneBillion, EightBillion];

    /// <summary>What is compared with the CPU.</summary>
    public static IReadOnlyList<GpuShape> Compared { get; } = [Small, SmallWithLargeHeads];

    /// <summary>Multiplications and additions of one token, but for attention: two for each weight of a matrix.</summary>
    public double OperationsPerToken => 2 * (MatrixWeights + HeadWeights);

    /// <summary>Bytes of weights that one decoding step reads, in bfloat16.</summary>
    public double WeightBytes => 2 * (MatrixWeights + HeadWeights);

    /// <summary>Bytes of keys and values of one token, in bfloat16.</summary>
    public double CacheBytesPerToken => 2.0 * 2 * Config.Layers * Config.KeyValueHeads * Config.HeadSize;

    /// <summary>Operations of a prompt: the head is computed for its last token alone.</summary>
    public double PrefillOperations(int tokens) =>
        (2 * MatrixWeights * tokens) + (2 * HeadWeights) + (2.0 * Config.Layers * Config.Heads * Config.HeadSize * tokens * tokens);

    /// <summary>A model of this shape, its random weights drawn on a device when there is none yet.</summary>
    public ModelFiles Files(string repository, string device)
    {
        TorchRuntime.EnsureLoaded(); // Naming a device is enough to need it.
        return ModelFiles.Random(repository, Name, Config, torch.device(device));
    }

    private double HeadWeights => (double)Config.VocabularySize * Config.HiddenSize;

    private double MatrixWeights
    {
        get
        {
            double queries = Config.Heads * Config.HeadSize, keys = Config.KeyValueHeads * Config.HeadSize;
            return Config.Layers * Config.HiddenSize * ((2 * queries) + (2 * keys) + (3.0 * Config.IntermediateSize));
        }
    }
}
