using AiFabric.Engine.Adapters;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Models;

/// <summary>A model as kernels read it: pointers into memory that it owns.</summary>
internal sealed unsafe class KernelWeights : IDisposable
{
    private readonly WeightMemory memory;
    private readonly KernelMatrix[][] matrices;
    private readonly nint[][] vectors;

    private KernelWeights(DecoderConfig config, WeightFormat format, KernelReader reader)
    {
        (Config, Format, memory) = (config, format, reader.Memory);
        Embedding = reader.Matrix("model.embed_tokens.weight", config.VocabularySize, config.HiddenSize);
        Head = config.TieWordEmbeddings ? Embedding : reader.Matrix("lm_head.weight", config.VocabularySize, config.HiddenSize);
        FinalNorm = reader.Vector(new StoredVector("model.norm.weight", config.HiddenSize, config.NormOffset));
        ParameterCount = ((long)Embedding.Rows * Embedding.Columns * (config.TieWordEmbeddings ? 1 : 2)) + config.HiddenSize;
        matrices = new KernelMatrix[config.Layers][];
        vectors = new nint[config.Layers][];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            matrices[layer] = [.. LoraTargets.All.Select(target => Matrix(reader, layer, target))];
            vectors[layer] = [.. LayerVectors.All.Select(vector => Vector(reader, layer, vector))];
        }
    }

    public DecoderConfig Config { get; }

    /// <summary>Of matrices.</summary>
    public WeightFormat Format { get; }

    /// <summary>[vocab, hidden].</summary>
    public KernelMatrix Embedding { get; }

    /// <summary>[vocab, hidden]; the embedding's where the model ties them.</summary>
    public KernelMatrix Head { get; }

    /// <summary>[hidden].</summary>
    public float* FinalNorm { get; }

    /// <summary>See <see cref="BaseWeights.ParameterCount"/>.</summary>
    public long ParameterCount { get; private set; }

    /// <summary>A layer's matrix.</summary>
    public KernelMatrix this[int layer, LoraTarget target] => matrices[layer][(int)target];

    /// <summary>A layer's vector, Float32; null where the model does not have it.</summary>
    public float* this[int layer, LayerVector vector] => (float*)vectors[layer][(int)vector];

    /// <summary>Reads a model.</summary>
    /// <param name="files">Its files; not owned, and not needed afterwards.</param>
    /// <param name="config">Its shape.</param>
    /// <param name="format">Of matrices in memory, whatever the file's.</param>
    /// <param name="threads">Threads that read.</param>
    /// <exception cref="CheckpointException">A tensor is missing, of another shape than the configuration says, or one too many.</exception>
    public static KernelWeights Read(CheckpointFiles files, DecoderConfig config, WeightFormat format, int threads)
    {
        var reader = new KernelReader(files, format);
        try
        {
            var weights = new KernelWeights(config, format, reader);
            files.RequireComplete();
            reader.Fill(threads);
            return weights;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    public void Dispose() => memory.Dispose();

    private KernelMatrix Matrix(KernelReader reader, int layer, LoraTarget target)
    {
        (int input, int output) = PeftFolder.Shape(Config, target);
        ParameterCount += (long)input * output;
        return reader.Matrix($"model.layers.{layer}.{target.ModulePath()}.weight", output, input);
    }

    private nint Vector(KernelReader reader, int layer, LayerVector vector)
    {
        if (LayerVectors.Stored(Config, layer, vector) is not { } stored)
            return 0;
        ParameterCount += stored.Size;
        return (nint)reader.Vector(stored);
    }
}
