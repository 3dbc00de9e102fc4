using System.Runtime.InteropServices;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// A batch as tensors: all rows in one matrix, [decode rows | prompt chunks | training window]. Its tensors belong to the dispose scope
/// in which it was built.
/// </summary>
internal sealed class PackedBatch
{
    private const long MostPairsByRow = 1 << 17;

    private readonly List<long> tokens = [];
    private readonly List<long> positions = [];
    private readonly List<long> slots = [];
    private readonly List<long> samples = [];
    private readonly DecoderWeights weights;
    private readonly PassMath math;

    /// <param name="batch">The plan.</param>
    /// <param name="window">The training window that rides along, or null.</param>
    /// <param name="adapterOf">The adapter of a load number other than 0.</param>
    /// <param name="weights">Gives shape, type and device.</param>
    /// <param name="rotary">Angles by position.</param>
    /// <param name="math">How rows attend.</param>
    public PackedBatch(Batch batch, TrainingWindow? window, Func<long, PeftAdapter> adapterOf, DecoderWeights weights, RotaryTable rotary, PassMath math)
    {
        (this.weights, this.math) = (weights, math);
        var device = weights.Device;
        Adapters = new AdapterGroups(device);
        var cached = new CachedRows();
        foreach (var row in batch.DecodeRows)
        {
            cached.Add(row);
            AddRows(row, adapterOf);
        }
        foreach (var chunk in batch.PromptChunks)
        {
            AddPrompt(chunk, cached);
            AddRows(chunk, adapterOf);
        }
        if (cached.Seal(weights, masks: !math.AttendsByRow))
            Cached = cached;
        if (window is not null)
            AddWindow(window);
        Adapters.Seal();
        Tokens = HostTensors.Upload(CollectionsMarshal.AsSpan(tokens), device);
        Angles = rotary.At(HostTensors.Upload(CollectionsMarshal.AsSpan(positions), device));
        if (slots.Count > 0)
            Slots = HostTensors.Upload(CollectionsMarshal.AsSpan(slots), device);
        if (samples.Count > 0)
            Samples = HostTensors.Upload(CollectionsMarshal.AsSpan(samples), device);
    }

    /// <summary>[n] Int64.</summary>
    public Tensor Tokens { get; }

    /// <summary>Of the rows' positions.</summary>
    public LayerAngles Angles { get; }

    /// <summary>[inference rows] Int64: where their keys and values go; null without inference.</summary>
    public Tensor? Slots { get; }

    /// <summary>[sampling rows] Int64: rows whose logits are wanted; null when there are none.</summary>
    public Tensor? Samples { get; }

    /// <summary>The first rows, those that attend one by one; null when there are none.</summary>
    public CachedRows? Cached { get; }

    /// <summary>Prompt chunks that attend together, then the training window.</summary>
    public List<Segment> Segments { get; } = [];

    public AdapterGroups Adapters { get; }

    public int Rows => tokens.Count;

    /// <summary>Decode and prompt rows.</summary>
    public int InferenceRows => slots.Count;

    private void AddRows(BatchRows rows, Func<long, PeftAdapter> adapterOf)
    {
        var sequence = rows.Sequence;
        if (sequence.AdapterLoad != 0)
            Adapters.Add(adapterOf(sequence.AdapterLoad), tokens.Count, rows.Count);
        for (int position = rows.Start; position < rows.Start + rows.Count; position++)
        {
            tokens.Add(sequence.TokensAndDrafts[position]);
            positions.Add(position);
            slots.Add(sequence.Blocks.Slot(position));
        }
        for (int row = tokens.Count - rows.LogitRows; row < tokens.Count; row++)
            samples.Add(row);
    }

    private void AddPrompt(BatchRows chunk, CachedRows cached)
    {
        int context = chunk.Start + chunk.Count;
        // Each row reads its own context again: worth it while that spares launches.
        if (math.AttendsByRow && (long)chunk.Count * context <= MostPairsByRow)
        {
            cached.Add(chunk);
            return;
        }
        cached.Skip(chunk.Count);
        var table = chunk.Sequence.Blocks;
        var blocks = new long[table.BlocksFor(context)];
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = table.Blocks[i].Index;
        Segments.Add(new Segment(tokens.Count, chunk.Count, context, HostTensors.Upload(blocks, weights.Device), Masks(chunk.Start, chunk.Count), null));
    }

    private void AddWindow(TrainingWindow window)
    {
        if (window.Adapter is { } adapter)
            Adapters.Add(adapter, tokens.Count, window.Count, window);
        Segments.Add(new Segment(tokens.Count, window.Count, window.Start + window.Count, null, Masks(window.Start, window.Count), window));
        for (int i = 0; i < window.Count; i++)
        {
            tokens.Add(window.Tokens[i]);
            positions.Add(window.Start + i);
        }
    }

    private LayerMasks? Masks(int start, int count) => math.NeedsMasks || start > 0 ? LayerMasks.Causal(weights, start, count) : null;
}

/// <summary>Consecutive rows of one sequence that attend together.</summary>
/// <param name="Start">First row in the packed batch.</param>
/// <param name="Count">Rows.</param>
/// <param name="Context">Keys they see: those before, and their own.</param>
/// <param name="Blocks">[b] Int64, the cache blocks of the context; null for a training window.</param>
/// <param name="Masks">What they do not see; null where they are the whole context, and see what is before them.</param>
/// <param name="Window">The training window these rows are, or null.</param>
internal sealed record Segment(int Start, int Count, int Context, Tensor? Blocks, LayerMasks? Masks, TrainingWindow? Window);
