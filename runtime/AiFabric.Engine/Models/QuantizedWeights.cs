using AiFabric.Engine.Adapters;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>
/// The weights of a decoder in 8 bits, quantized row by row while they are read, so that loading takes hardly more memory than the
/// result. Training restores one layer at a time: it differentiates exactly the weights that inference uses (QLoRA, arXiv 2305.14314).
/// </summary>
public sealed class QuantizedWeights : BaseWeights
{
    private readonly DecoderLayer[] restored;

    private QuantizedWeights(KernelWeights kernels, Tensor finalNorm, DecoderLayer[] restored, Lazy<string> digest)
        : base(kernels.Config, ScalarType.Float32, CPU, digest)
    {
        (Kernels, FinalNorm, this.restored) = (kernels, finalNorm, restored);
        long tables = Config.TieWordEmbeddings ? 1 : 2;
        ParameterCount = (tables * Config.VocabularySize * Config.HiddenSize) + finalNorm.numel() + restored.Sum(layer => layer.All.Sum(tensor => tensor.numel()));
    }

    public override Tensor FinalNorm { get; }

    public override long ParameterCount { get; }

    public override string Format => "Q8";

    internal KernelWeights Kernels { get; }

    /// <summary>Reads a Hugging Face model folder, or a GGUF file.</summary>
    /// <param name="folder">Holds config.json and model.safetensors, or the shards that model.safetensors.index.json lists; or one GGUF file. May be that file itself.</param>
    /// <exception cref="CheckpointException">A file or tensor is missing, damaged, or of another shape than config.json says.</exception>
    public static QuantizedWeights Load(string folder)
    {
        TorchRuntime.EnsureLoaded();
        var config = DecoderConfig.Load(folder);
        using var reader = new CheckpointReader(folder, ScalarType.Float32, CPU);
        var owned = new List<IDisposable>();
        try
        {
            var embedding = Read("model.embed_tokens.weight", config.VocabularySize, config.HiddenSize);
            var head = config.TieWordEmbeddings ? embedding : Read("lm_head.weight", config.VocabularySize, config.HiddenSize);
            var finalNorm = Own(reader.TakeNorm("model.norm.weight", config.HiddenSize, config.NormOffset));
            var matrices = new KernelMatrix[config.Layers][];
            var vectors = new Tensor?[config.Layers][];
            for (int layer = 0; layer < config.Layers; layer++)
            {
                string prefix = $"model.layers.{layer}.";
                matrices[layer] = [.. LoraTargets.All.Select(target => ReadLayer(prefix, target))];
                vectors[layer] = LayerVectors.Read(reader, config, layer);
                owned.AddRange(vectors[layer].OfType<Tensor>());
            }
            reader.RequireComplete();
            // One memory for the matrices of any layer.
            Tensor[] shared = [.. matrices[0].Select(matrix => Own(empty(matrix.Rows, matrix.Columns, ScalarType.Float32).DetachFromDisposeScope()))];
            DecoderLayer[] restored = [.. vectors.Select(layer => new DecoderLayer(shared, layer))];
            return new QuantizedWeights(new KernelWeights(config, embedding, head, finalNorm, matrices, vectors, owned), finalNorm, restored, reader.Digest());
        }
        catch
        {
            foreach (var item in owned)
                item.Dispose();
            throw;
        }

        T Own<T>(T item)
            where T : IDisposable
        {
            owned.Add(item);
            return item;
        }

        KernelMatrix ReadLayer(string prefix, LoraTarget target)
        {
            (int input, int output) = PeftFolder.Shape(config, target);
            return Read($"{prefix}{target.ModulePath()}.weight", output, input);
        }

        KernelMatrix Read(string name, int rows, int columns) => Quantize(reader, name, rows, columns, Own(Q8.Allocate(rows, columns)));
    }

    public override unsafe DecoderLayer TrainingLayer(int layer)
    {
        foreach (LoraTarget target in LoraTargets.All)
            Restore(Kernels[layer, target], TensorMemory.Floats(restored[layer][target]));
        return restored[layer];
    }

    public override unsafe Tensor TrainingHead()
    {
        var head = empty(Config.VocabularySize, Config.HiddenSize, ScalarType.Float32);
        Restore(Kernels.Head, TensorMemory.Floats(head));
        return head;
    }

    protected override void Dispose(bool disposing) => Kernels.Dispose();

    private static unsafe KernelMatrix Quantize(CheckpointReader reader, string name, int rows, int columns, NativeBuffer memory)
    {
        var stored = reader.Find(name, [rows, columns]);
        var row = new float[columns];
        var bytes = new byte[columns * stored.ElementBytes];
        for (int i = 0; i < rows; i++)
        {
            var blocks = stored.Q8Blocks(i);
            if (!blocks.IsEmpty)
            {
                Q8.Import(blocks, memory.Data, i);
                continue;
            }
            stored.ReadRow(i, row, bytes);
            Q8.Quantize(row, memory.Data, i);
        }
        stored.Release();
        return new KernelMatrix(WeightFormat.Q8, memory.Data, rows, columns);
    }

    private static unsafe void Restore(in KernelMatrix matrix, float* to)
    {
        for (int row = 0; row < matrix.Rows; row++)
            KernelSet.Best.Restore(matrix, row, to + ((long)row * matrix.Columns));
    }
}
