using AiFabric.Engine.Adapters;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Engine.Execution;

/// <summary>
/// A batch as kernels read it: all rows below each other, [decode rows | prompt chunks | training window]. One instance is filled again
/// and again.
/// </summary>
/// <param name="blockSize">Tokens of a cache block.</param>
/// <param name="adapterOf">The adapter of a load number other than 0.</param>
internal sealed unsafe class KernelBatch(int blockSize, Func<long, PeftAdapter> adapterOf)
{
    private readonly PinnedList<AttentionRows> attention = new();
    private readonly PinnedList<int> blocks = new();
    private readonly List<int> firstBlocks = [];
    private readonly List<AdapterRows> adapters = [];

    public PinnedList<int> Tokens { get; } = new();

    public PinnedList<int> Positions { get; } = new();

    /// <summary>[inference rows]: where their keys and values go.</summary>
    public PinnedList<int> Slots { get; } = new();

    /// <summary>Rows whose logits are wanted, ascending.</summary>
    public PinnedList<int> Samples { get; } = new();

    public int Rows => Tokens.Count;

    /// <summary>Decode and prompt rows; a training window's come after them.</summary>
    public int InferenceRows => Slots.Count;

    /// <summary>Which consecutive rows get which adapter's additions.</summary>
    public List<AdapterRows> Adapters => adapters;

    /// <summary>Who attends, without keys and values: those are a layer's.</summary>
    public Span<AttentionRows> Attention => attention.Items;

    public void Fill(Batch batch, TrainingWindow? window)
    {
        Tokens.Clear();
        Positions.Clear();
        Slots.Clear();
        Samples.Clear();
        attention.Clear();
        blocks.Clear();
        firstBlocks.Clear();
        adapters.Clear();
        foreach (var row in batch.DecodeRows)
            Add(row);
        foreach (var chunk in batch.PromptChunks)
            Add(chunk);
        if (window is not null)
            Add(window);
        // Only now do the block numbers stay where they are.
        for (int i = 0; i < attention.Count; i++)
            attention.Items[i].Blocks = blocks.Data + firstBlocks[i];
    }

    private void Add(BatchRows rows)
    {
        var sequence = rows.Sequence;
        if (sequence.AdapterLoad != 0)
            Add(adapterOf(sequence.AdapterLoad), rows.Count);
        int firstBlock = blocks.Count;
        var table = sequence.Blocks;
        foreach (BlockId block in table.Blocks[..table.BlocksFor(rows.Start + rows.Count)])
            blocks.Add(block.Index);
        Attend(rows.Start, rows.Count, firstBlock, blockSize);
        for (int position = rows.Start; position < rows.Start + rows.Count; position++)
        {
            Tokens.Add(sequence.TokensAndDrafts[position]);
            Positions.Add(position);
            Slots.Add(table.Slot(position));
        }
        for (int row = Rows - rows.LogitRows; row < Rows; row++)
            Samples.Add(row);
    }

    private void Add(TrainingWindow window)
    {
        if (window.Adapter is { } adapter)
            Add(adapter, window.Count, window);
        int block = blocks.Count;
        blocks.Add(0); // Its keys lie one after the other: one block that holds them all.
        Attend(window.Start, window.Count, block, window.Start + window.Count);
        var tokens = window.Tokens;
        for (int i = 0; i < window.Count; i++)
        {
            Tokens.Add((int)tokens[i]);
            Positions.Add(window.Start + i);
        }
    }

    private void Attend(int start, int count, int firstBlock, int size)
    {
        for (int done = 0; done < count; done += KernelSet.AttentionRowsPerEntry)
        {
            attention.Add(new AttentionRows
            {
                First = Rows + done,
                Count = Math.Min(KernelSet.AttentionRowsPerEntry, count - done),
                Position = start + done,
                BlockSize = size,
            });
            firstBlocks.Add(firstBlock);
        }
    }

    private void Add(PeftAdapter adapter, int count, TrainingWindow? window = null)
    {
        if (adapters.Count > 0 && adapters[^1] is var last && ReferenceEquals(last.Adapter, adapter) && last.First + last.Count == Rows)
            adapters[^1] = last with { Count = last.Count + count };
        else
            adapters.Add(new AdapterRows(adapter, Rows, count, window));
    }
}

/// <summary>Consecutive rows with one adapter; a training window's know it.</summary>
internal readonly record struct AdapterRows(PeftAdapter Adapter, int First, int Count, TrainingWindow? Window);
