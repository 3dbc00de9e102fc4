using AiFabric.Engine.Adapters;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>
/// The weights of a Llama decoder in 8 bits, quantized row by row while they are read, so that loading takes hardly more memory than the
/// result. Training restores one layer at a time: it differentiates exactly the weights that inference uses (QLoRA, arXiv 2305.14314).
/// </summary>
public sealed class QuantizedWeights : BaseWeights
{
    private readonly DecoderLayer restored;
    private readonly List<Tensor> norms;

    private QuantizedWeights(DecoderConfig config, KernelWeights kernels, List<Tensor> norms, DecoderLayer restored, string digest)
        : base(config, ScalarType.Float32, CPU, digest)
    {
        (Kernels, this.norms, this.restored) = (kernels, norms, restored);
        var layer = LoraTargets.All.Select(target => kernels[0, target]);
        long tables = kernels.Config.TieWordEmbeddings ? 1 : 2;
        ParameterCount = (tables * config.VocabularySize * config.HiddenSize) + ((long)norms.Count * config.HiddenSize)
            + (config.Layers * layer.Sum(matrix => (long)matrix.Rows * matrix.Columns));
    }

    public override Tensor FinalNorm => norms[^1];

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
            var layers = new KernelMatrix[config.Layers][];
            var norms = new List<Tensor>();
            for (int layer = 0; layer < layers.Length; layer++)
            {
                string prefix = $"model.layers.{layer}.";
                layers[layer] = [.. LoraTargets.All.Select(target => ReadLayer(prefix, target))];
                norms.AddRange([Norm(prefix + "input_layernorm.weight"), Norm(prefix + "post_attention_layernorm.weight")]);
            }
            norms.Add(Norm("model.norm.weight"));
            reader.RequireComplete();
            var restored = new DecoderLayer(config, 0, (_, shape) => Own(empty(shape, ScalarType.Float32).DetachFromDisposeScope()));
            return new QuantizedWeights(config, new KernelWeights(config, embedding, head, layers, norms, owned), norms, restored, reader.Digest());
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

        Tensor Norm(string name) => Own(reader.Take(name, config.HiddenSize));
        KernelMatrix ReadLayer(string prefix, LoraTarget target)
        {
            (int input, int output) = PeftFolder.Shape(config, target);
            return Read($"{prefix}{target.ModulePath()}.weight", output, input);
        }

        KernelMatrix Read(string name, int rows, int columns) => Quantize(reader, name, rows, columns, Own(Q8.Allocate(rows, columns)));
    }

    public override unsafe DecoderLayer TrainingLayer(int layer)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope(); // copy_ answers with a new tensor object
        restored.AttentionNorm.copy_(norms[2 * layer]);
        restored.MlpNorm.copy_(norms[(2 * layer) + 1]);
        foreach (LoraTarget target in LoraTargets.All)
            Restore(Kernels[layer, target], TensorMemory.Floats(restored[target]));
        return restored;
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
