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
    private readonly List<long> tokens = [];
    private readonly List<long> positions = [];
    private readonly List<long> slots = [];
    private readonly List<long> samples = [];
    private readonly DecoderWeights weights;
    private readonly bool needsMasks;

    /// <param name="batch">The plan.</param>
    /// <param name="window">The training window that rides along, or null.</param>
    /// <param name="adapterOf">The adapter of a load number other than 0.</param>
    /// <param name="weights">Gives shape, type and device.</param>
    /// <param name="rotary">Angles by position.</param>
    /// <param name="needsMasks">Whether attention needs masks where rows see all that is before them.</param>
    public PackedBatch(Batch batch, TrainingWindow? window, Func<long, PeftAdapter> adapterOf, DecoderWeights weights, RotaryTable rotary, bool needsMasks = true)
    {
        (this.weights, this.needsMasks) = (weights, needsMasks);
        var device = weights.Device;
        Adapters = new AdapterGroups(device);
        foreach (var row in batch.DecodeRows)
            AddRows(row, adapterOf);
        if (batch.DecodeRows.Count > 0)
            Decode = new DecodeRows(batch.DecodeRows, weights, needsMasks);
        foreach (var chunk in batch.PromptChunks)
        {
            Segments.Add(Prompt(chunk));
            AddRows(chunk, adapterOf);
        }
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

    /// <summary>Null without decode rows, which otherwise come first.</summary>
    public DecodeRows? Decode { get; }

    /// <summary>Prompt chunks, then the training window.</summary>
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

    private Segment Prompt(BatchRows chunk)
    {
        int context = chunk.Start + chunk.Count;
        var table = chunk.Sequence.Blocks;
        var blocks = new long[table.BlocksFor(context)];
        for (int i = 0; i < blocks.Length; i++)
            blocks[i] = table.Blocks[i].Index;
        return new Segment(tokens.Count, chunk.Count, context, HostTensors.Upload(blocks, weights.Device), Masks(chunk.Start, chunk.Count), null);
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

    private LayerMasks? Masks(int start, int count) => needsMasks || start > 0 ? LayerMasks.Causal(weights, start, count) : null;
}

/// <summary>Consecutive rows of one sequence that attend together.</summary>
/// <param name="Start">First row in the packed batch.</param>
/// <param name="Count">Rows.</param>
/// <param name="Context">Keys they see: those before, and their own.</param>
/// <param name="Blocks">[b] Int64, the cache blocks of the context; null for a training window.</param>
/// <param name="Masks">What they do not see; null where they are the whole context, and see what is before them.</param>
/// <param name="Window">The training window these rows are, or null.</param>
internal sealed record Segment(int Start, int Count, int Context, Tensor? Blocks, LayerMasks? Masks, TrainingWindow? Window);

/// <summary>
/// The decode rows' view of the cache: every row's blocks, padded to the longest context. A row with drafts is a row for each of its tokens, which
/// sees no more than comes before it.
/// </summary>
internal sealed class DecodeRows
{
    public DecodeRows(List<BatchRows> rows, DecoderWeights weights, bool needsMasks)
    {
        int widest = 0;
        foreach (var row in rows)
        {
            widest = Math.Max(widest, row.Sequence.Blocks.BlocksFor(row.Start + row.Count));
            Count += row.Count;
        }
        Context = widest * rows[0].Sequence.Blocks.BlockSize;
        var blocks = new long[Count * widest];
        var lengths = new long[Count];
        int next = 0;
        foreach (var row in rows)
        {
            for (int position = row.Start; position < row.Start + row.Count; position++, next++)
            {
                var table = row.Sequence.Blocks;
                int used = table.BlocksFor(position + 1);
                lengths[next] = position + 1;
                // Padding repeats a block of the row's own, so that no other request's memory is read.
                for (int block = 0; block < widest; block++)
                    blocks[(next * widest) + block] = table.Blocks[block < used ? block : 0].Index;
            }
        }
        Blocks = HostTensors.Upload(blocks, weights.Device);
        Lengths = HostTensors.Upload(lengths, weights.Device);
        if (needsMasks)
            Masks = new LayerMasks(weights.Config, window => HostTensors.Upload(Hidden(rows, window), weights.Device).to(weights.Type).view(Count, 1, 1, Context));
    }

    public int Count { get; }

    /// <summary>Slots per row, padding included.</summary>
    public int Context { get; }

    /// <summary>[rows · blocks per row] Int64.</summary>
    public Tensor Blocks { get; }

    /// <summary>[rows] Int64: keys that each row sees, its own among them.</summary>
    public Tensor Lengths { get; }

    /// <summary>[rows, 1, 1, context]: −∞ for slots behind the row's last token and before its window; null where nobody needs it.</summary>
    public LayerMasks? Masks { get; }

    private float[] Hidden(List<BatchRows> rows, int? window)
    {
        var mask = new float[Count * Context];
        int start = 0;
        foreach (var row in rows)
        {
            for (int next = row.Start + 1; next <= row.Start + row.Count; next++, start += Context)
            {
                var seen = mask.AsSpan(start, Context);
                seen[next..].Fill(float.NegativeInfinity);
                seen[..Math.Max(0, next - (window ?? next))].Fill(float.NegativeInfinity);
            }
        }
        return mask;
    }
}
