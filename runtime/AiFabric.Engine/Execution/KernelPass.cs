using AiFabric.Engine.Adapters;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// The pass in kernels, for CPUs. Activations are Float32 whatever the weights' format; a training window's keys and values are too. Once memory has grown to the largest batch a
/// step without finetuning allocates nothing.
/// </summary>
internal sealed unsafe class KernelPass : IForwardPass
{
    private readonly KernelWeights weights;
    private readonly DecoderConfig config;
    private readonly KernelSet kernels;
    private readonly KernelPool pool;
    private readonly KernelBatch batch;
    private readonly KvMemory cache;
    private readonly RotaryMemory rotary;
    private readonly LayerPlan[] plans;
    private readonly RowMemory hidden;
    private readonly RowMemory normed;
    private readonly RowMemory queries;
    private readonly RowMemory keys;
    private readonly RowMemory values;
    private readonly RowMemory attended;
    private readonly RowMemory gate;
    private readonly RowMemory up;
    private readonly KernelAdapters adapters;
    private readonly NativeBuffer logits = new();

    /// <param name="weights">The model; not owned.</param>
    /// <param name="kernels">Which kernels run.</param>
    /// <param name="threads">Threads that compute.</param>
    /// <param name="blocks">Blocks of the cache.</param>
    /// <param name="blockSize">Tokens of a block.</param>
    /// <param name="adapterOf">The adapter of a load number other than 0.</param>
    /// <param name="cached">How the cache keeps keys and values.</param>
    public KernelPass(
        KernelWeights weights, KernelSet kernels, int threads, int blocks, int blockSize, Func<long, PeftAdapter> adapterOf, CacheFormat cached = CacheFormat.Float32)
    {
        (this.weights, this.kernels, config) = (weights, kernels, weights.Config);
        pool = new KernelPool(threads);
        batch = new KernelBatch(blockSize, adapterOf);
        adapters = new KernelAdapters(kernels, pool, batch);
        cache = new KvMemory(config, blocks, blockSize, cached);
        rotary = new RotaryMemory(config, threads);
        plans = [.. Enumerable.Range(0, config.Layers).Select(layer => new LayerPlan(config, rotary, layer))];
        int queryWidth = config.Heads * config.HeadSize, keyWidth = config.KeyValueHeads * config.HeadSize;
        (hidden, normed) = (new RowMemory(config.HiddenSize), new RowMemory(config.HiddenSize));
        (queries, attended) = (new RowMemory(queryWidth), new RowMemory(queryWidth));
        (keys, values) = (new RowMemory(keyWidth), new RowMemory(keyWidth));
        (gate, up) = (new RowMemory(config.IntermediateSize), new RowMemory(config.IntermediateSize));
    }

    public int Threads => pool.Threads;

    public int Width
    {
        set => pool.Width = value;
    }

    public Span<float> Run(Batch plan, TrainingWindow? window)
    {
        batch.Fill(plan, window);
        foreach (var memory in (ReadOnlySpan<RowMemory>)[hidden, normed, queries, keys, values, attended, gate, up])
            memory.Reserve(batch.Rows);
        for (int row = 0; row < batch.Rows; row++)
            Embed(batch.Tokens.Data[row], hidden.Row(row));
        for (int layer = 0; layer < config.Layers; layer++)
        {
            if (window is null)
                Layer(layer);
            else
                LayerWithWindow(layer, window);
        }
        Pool(plan);
        return Logits();
    }

    public Tensor WindowOutput(TrainingWindow window) => hidden.Rows(batch.InferenceRows, window.Count);

    public void Dispose()
    {
        foreach (var memory in (ReadOnlySpan<IDisposable>)[hidden, normed, queries, keys, values, attended, gate, up, adapters, logits, rotary, cache, pool])
            memory.Dispose();
    }

    private void Embed(int token, float* row)
    {
        kernels.Restore(weights.Embedding, token, row);
        float scale = (float)config.EmbeddingScale;
        for (int i = 0; scale != 1 && i < config.HiddenSize; i++)
            row[i] *= scale;
    }

    private void LayerWithWindow(int layer, TrainingWindow window)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        window.SaveLayerInput(layer, hidden.Rows(batch.InferenceRows, window.Count));
        Project(layer);
        long[] shape = [window.Count, config.KeyValueHeads, config.HeadSize];
        var (k, v) = window.Append(
            layer, keys.Rows(batch.InferenceRows, window.Count).view(shape), values.Rows(batch.InferenceRows, window.Count).view(shape));
        Attend(layer, TensorMemory.Floats(k.to(ScalarType.Float32).contiguous()), TensorMemory.Floats(v.to(ScalarType.Float32).contiguous()));
        Mlp(layer);
    }

    private void Layer(int layer)
    {
        Project(layer);
        Attend(layer, null, null);
        Mlp(layer);
    }

    /// <summary>Queries, keys and values, rotated; those of inference go into the cache.</summary>
    private void Project(int layer)
    {
        Norm(hidden.Data, weights[layer, LayerVector.AttentionNorm], normed.Data, batch.Rows);
        kernels.Multiply(
            pool,
            [
                new Product(weights[layer, LoraTarget.Query], queries.Data),
                new Product(weights[layer, LoraTarget.Key], keys.Data),
                new Product(weights[layer, LoraTarget.Value], values.Data),
            ],
            normed.Data, batch.Rows);
        AddRest(layer, LoraTarget.Query, normed, queries);
        AddRest(layer, LoraTarget.Key, normed, keys);
        AddRest(layer, LoraTarget.Value, normed, values);
        NormHeads(queries, weights[layer, LayerVector.QueryNorm]);
        NormHeads(keys, weights[layer, LayerVector.KeyNorm]);
        var arguments = new RotateArguments
        {
            Queries = queries.Data,
            Keys = keys.Data,
            Values = values.Data,
            Cos = plans[layer].Cos,
            Sin = plans[layer].Sin,
            Positions = batch.Positions.Data,
            Slots = batch.Slots.Data,
            CachedKeys = cache.Keys(layer),
            CachedValues = cache.Values(layer),
            Cached = cache.Format,
            BlockSize = cache.BlockSize,
            StoredRows = batch.InferenceRows,
            Heads = config.Heads,
            KeyHeads = config.KeyValueHeads,
            HeadSize = config.HeadSize,
        };
        kernels.Rotate(pool, arguments, batch.Rows);
    }

    private void Attend(int layer, void* windowKeys, void* windowValues)
    {
        foreach (ref var entry in batch.Attention)
        {
            bool cached = entry.First < batch.InferenceRows;
            entry.Keys = cached ? cache.Keys(layer) : windowKeys;
            entry.Values = cached ? cache.Values(layer) : windowValues;
            entry.Format = cached ? cache.Format : CacheFormat.Float32;
            // A window's keys are one block of [positions, keyHeads, headSize].
            entry.Pitch = cached ? config.HeadSize : config.KeyValueHeads * config.HeadSize;
            entry.HeadPitch = cached ? cache.BlockSize * config.HeadSize : config.HeadSize;
        }
        kernels.Attend(pool, batch.Attention, queries.Data, attended.Data, plans[layer].Attention);
        AddToHidden(layer, LoraTarget.Output, attended, LayerVector.AttentionOutputNorm);
    }

    private void Mlp(int layer)
    {
        Norm(hidden.Data, weights[layer, LayerVector.MlpNorm], normed.Data, batch.Rows);
        kernels.Multiply(
            pool, [new Product(weights[layer, LoraTarget.Gate], gate.Data), new Product(weights[layer, LoraTarget.Up], up.Data)], normed.Data, batch.Rows);
        AddRest(layer, LoraTarget.Gate, normed, gate);
        AddRest(layer, LoraTarget.Up, normed, up);
        kernels.Gated(pool, config.Activation, gate.Data, up.Data, batch.Rows, config.IntermediateSize);
        AddToHidden(layer, LoraTarget.Down, gate, LayerVector.MlpOutputNorm);
    }

    /// <summary>Adds what a matrix makes of its input to the residual, normed first where the model does that.</summary>
    private void AddToHidden(int layer, LoraTarget target, RowMemory input, LayerVector outputNorm)
    {
        float* norm = weights[layer, outputNorm];
        var output = norm is null ? hidden : normed;
        adapters.ScaleInput(layer, target, input);
        if (norm is null)
            adapters.SetAside(layer, target, hidden, normed);
        kernels.Multiply(pool, [new Product(weights[layer, target], output.Data)], input.Data, batch.Rows, adds: norm is null);
        AddRest(layer, target, input, output);
        if (norm is null)
            adapters.GiveBack(layer, target, hidden, normed);
        else
            Norm(output.Data, norm, hidden.Data, batch.Rows, adds: true);
    }

    private void Norm(float* x, float* weight, float* output, int rows, bool adds = false) =>
        kernels.Norm(pool, x, weight, output, rows, config.HiddenSize, (float)config.NormEpsilon, adds);

    private void NormHeads(RowMemory heads, float* weight)
    {
        if (weight is not null)
            kernels.Norm(pool, heads.Data, weight, heads.Data, batch.Rows * (heads.Width / config.HeadSize), config.HeadSize, (float)config.NormEpsilon);
    }

    /// <summary>What a linear layer adds to its matrix's product: a bias, and adapters.</summary>
    private void AddRest(int layer, LoraTarget target, RowMemory input, RowMemory output)
    {
        float* bias = weights[layer, target.Bias()];
        if (bias is not null)
            kernels.AddBias(pool, output.Data, bias, batch.Rows, output.Width);
        adapters.Patch(layer, target, input, output);
    }

    private void Pool(Batch plan)
    {
        int row = 0;
        foreach (var decode in plan.DecodeRows)
            row += decode.Count;
        foreach (var chunk in plan.PromptChunks)
        {
            if (chunk.Sequence.States is { } states)
            {
                Norm(hidden.Row(row), weights.FinalNorm, normed.Row(row), chunk.Count);
                states.Put(new ReadOnlySpan<float>(normed.Row(row), chunk.Count * config.HiddenSize), chunk.Count);
            }
            row += chunk.Count;
        }
    }

    private Span<float> Logits()
    {
        int samples = batch.Samples.Count;
        if (samples == 0)
            return default;
        for (int i = 0; i < samples; i++)
            Norm(hidden.Row(batch.Samples.Data[i]), weights.FinalNorm, normed.Row(i), rows: 1);
        logits.Reserve((long)samples * config.VocabularySize * sizeof(float));
        kernels.Multiply(pool, [new Product(weights.Head, (float*)logits.Data)], normed.Data, samples);
        if (config.LogitSoftCap is { } cap)
            kernels.SoftCap(pool, (float*)logits.Data, samples, config.VocabularySize, (float)cap);
        return new Span<float>(logits.Data, checked(samples * config.VocabularySize));
    }

    /// <summary>What differs from layer to layer beside weights.</summary>
    private readonly struct LayerPlan
    {
        public LayerPlan(DecoderConfig config, RotaryMemory rotary, int layer)
        {
            Cos = rotary.Cos(layer);
            Sin = rotary.Sin(layer);
            Attention = new AttentionShape(
                config.Heads, config.KeyValueHeads, config.HeadSize, (float)(config.QueryFactor / Math.Sqrt(config.HeadSize)), (float)(config.AttentionSoftCap ?? 0),
                config.AttentionOf(layer).Window ?? int.MaxValue);
        }

        public float* Cos { get; }

        public float* Sin { get; }

        public AttentionShape Attention { get; }
    }
}
