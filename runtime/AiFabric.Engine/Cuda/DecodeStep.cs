using System.Runtime.InteropServices;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Models;
using AiFabric.Engine.Scheduling;
using static TorchSharp.torch;

namespace AiFabric.Engine.Cuda;

/// <summary>
/// An iteration that only decodes, as one CUDA graph for each of a few numbers of rows: what hundreds of launches would cost the host, one launch does.
/// </summary>
/// <remarks>
/// A graph reads and writes the memory it was captured with. All of it is held here for as long as the graphs live; nothing is allocated while one is
/// captured, so that no graph touches memory that libtorch has given to somebody else.
/// </remarks>
internal sealed class DecodeStep : IDisposable
{
    private static readonly int[] Sizes = [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64];

    private readonly DecoderWeights weights;
    private readonly CudaDriver driver;
    private readonly StepMemory memory;
    private readonly StepLayers layers;
    private readonly Dictionary<int, nint> graphs = [];
    private readonly long spareSlot;
    private readonly int mostBlocks;
    private readonly nint stream;

    /// <param name="weights">The model; not owned.</param>
    /// <param name="cache">Memory of the key-value cache; not owned.</param>
    /// <param name="rotary">Angles by position; not owned.</param>
    /// <param name="kernels">Compiled for the model.</param>
    /// <param name="spareSlot">A slot of the cache that is nobody's: rows that fill a graph up write there.</param>
    /// <param name="unused">[u] Int64, ids that are no token; null for none. Not owned.</param>
    public DecodeStep(DecoderWeights weights, KvTensors cache, RotaryTable rotary, CudaKernels kernels, long spareSlot, Tensor? unused)
    {
        (this.weights, this.spareSlot, driver) = (weights, spareSlot, kernels.Driver);
        int blockSize = (int)cache[0].Keys.shape[1];
        mostBlocks = (weights.Config.MaximumPositions + blockSize - 1) / blockSize;
        memory = new StepMemory(weights, Sizes[^1], mostBlocks);
        layers = new StepLayers(weights, cache, rotary, kernels, memory, unused);
        stream = driver.CreateStream();
    }

    /// <summary>Whether a model can do with the kernels alone.</summary>
    public static bool Fits(DecoderWeights weights) =>
        weights.Config is { QueryKeyValueBias: false, OutputBias: false, MlpBias: false }
        && weights.FinalNorm.dtype == weights.Type
        && LayerVectors.All.All(vector => weights.Vector(0, vector) is not { } norm || norm.dtype == weights.Type);

    /// <summary>Whether a batch is such an iteration.</summary>
    public bool Takes(Batch batch) =>
        batch.PromptChunks.Count == 0 && batch.DecodeTokens > 0 && batch.DecodeTokens <= Sizes[^1]
        && batch.DecodeRows.TrueForAll(row => row.Sequence.AdapterLoad == 0 && row.Sequence.Blocks.BlocksFor(row.Start + row.Count) <= mostBlocks);

    /// <summary>The logits of every row.</summary>
    /// <returns>[rows, vocab] Float32 on the device, owned by the caller's scope.</returns>
    public Tensor Logits(Batch batch)
    {
        Run(batch);
        using var scope = NewDisposeScope();
        return DecoderMath.SoftCap(memory.Logits.narrow(0, 0, batch.DecodeTokens).to(ScalarType.Float32), weights.Config.LogitSoftCap).MoveToOuterDisposeScope();
    }

    /// <summary>The most likely token of every row; −1 where its logit is not finite. Valid in the caller's scope.</summary>
    public ReadOnlySpan<long> MostLikely(Batch batch)
    {
        Run(batch);
        return MemoryMarshal.Cast<byte, long>(memory.Places.narrow(0, 0, batch.DecodeTokens).cpu().bytes);
    }

    public void Dispose()
    {
        foreach (nint graph in graphs.Values)
            driver.Free(graph);
        layers.Dispose();
        memory.Dispose();
    }

    private void Run(Batch batch)
    {
        int rows = Array.Find(Sizes, size => size >= batch.DecodeTokens);
        memory.Fill(batch, rows, spareSlot);
        if (!graphs.TryGetValue(rows, out nint graph))
            graphs.Add(rows, graph = Capture(rows));
        driver.LaunchGraph(graph);
    }

    private nint Capture(int rows)
    {
        cuda.synchronize(); // The inputs are there.
        using var scope = NewDisposeScope();
        using var guard = TorchCuda.Use(stream);
        driver.Stream = stream;
        try
        {
            // Once for real: libraries take what they need for this stream now, and keep it.
            layers.Run(rows);
            driver.Synchronize(stream);
            return driver.Capture(stream, () => layers.Run(rows));
        }
        finally
        {
            driver.Stream = 0;
        }
    }
}
