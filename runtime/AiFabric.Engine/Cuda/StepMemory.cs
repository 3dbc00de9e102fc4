using AiFabric.Engine.Models;
using AiFabric.Engine.Scheduling;
using static TorchSharp.torch;

namespace AiFabric.Engine.Cuda;

/// <summary>The memory that graphs of <see cref="DecodeStep"/> read and write. Owns its tensors, all on the device.</summary>
internal sealed class StepMemory : IDisposable
{
    private readonly List<Tensor> held = [];
    private readonly Tensor inputs;
    private readonly Tensor staging;
    private readonly int mostBlocks;

    /// <param name="weights">Gives shape, type and device.</param>
    /// <param name="rows">Of the largest graph.</param>
    /// <param name="mostBlocks">Blocks of the longest sequence.</param>
    public StepMemory(DecoderWeights weights, int rows, int mostBlocks)
    {
        var config = weights.Config;
        (this.mostBlocks, int keys) = (mostBlocks, config.KeyValueHeads * config.HeadSize);
        (State, Normed, Added) = (Hold(rows, config.HiddenSize), Hold(rows, config.HiddenSize), Hold(rows, config.HiddenSize));
        (Queries, Mixed) = (Hold(rows, config.Heads * config.HeadSize), Hold(rows, config.Heads * config.HeadSize));
        (Keys, Values) = (Hold(rows, keys), Hold(rows, keys));
        (Gate, Up) = (Hold(rows, config.IntermediateSize), Hold(rows, config.IntermediateSize));
        Logits = Hold(rows, config.VocabularySize);
        Places = Keep(zeros(rows, dtype: ScalarType.Int64, device: weights.Device));
        inputs = Keep(zeros(Offset(rows) + ((long)rows * mostBlocks), dtype: ScalarType.Int64, device: weights.Device));
        staging = Keep(zeros(inputs.numel(), dtype: ScalarType.Int64));

        Tensor Hold(int height, int width) => Keep(zeros([height, width], dtype: weights.Type, device: weights.Device));
    }

    /// <summary>[rows, hidden]: the residual.</summary>
    public Tensor State { get; }

    /// <summary>[rows, hidden]: what goes into a block's halves.</summary>
    public Tensor Normed { get; }

    /// <summary>[rows, hidden]: what comes out of them.</summary>
    public Tensor Added { get; }

    /// <summary>[rows, heads · headDim].</summary>
    public Tensor Queries { get; }

    /// <summary>[rows, kvHeads · headDim].</summary>
    public Tensor Keys { get; }

    /// <summary>[rows, kvHeads · headDim].</summary>
    public Tensor Values { get; }

    /// <summary>[rows, heads · headDim]: what attention gives.</summary>
    public Tensor Mixed { get; }

    /// <summary>[rows, intermediate].</summary>
    public Tensor Gate { get; }

    /// <summary>[rows, intermediate].</summary>
    public Tensor Up { get; }

    /// <summary>[rows, vocab].</summary>
    public Tensor Logits { get; }

    /// <summary>[rows] Int64: of the largest logits.</summary>
    public Tensor Places { get; }

    /// <summary>A graph's inputs, as views in the caller's scope: tokens, positions and slots [rows], lengths [rows + 2], and the table of blocks.</summary>
    public (Tensor Tokens, Tensor Positions, Tensor Slots, Tensor Lengths, Tensor Blocks) Inputs(int rows) => (
        inputs.narrow(0, 0, rows), inputs.narrow(0, rows, rows), inputs.narrow(0, 2L * rows, rows), inputs.narrow(0, 3L * rows, rows + 2),
        inputs.narrow(0, Offset(rows), (long)rows * mostBlocks));

    /// <summary>A tensor that lives as long as this.</summary>
    public Tensor Keep(Tensor tensor)
    {
        held.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }

    /// <summary>Sends a batch's numbers to the device.</summary>
    /// <param name="batch">Decodes alone.</param>
    /// <param name="rows">Of the graph: what the batch does not fill is nobody's.</param>
    /// <param name="spareSlot">Where nobody's keys and values go.</param>
    public void Fill(Batch batch, int rows, long spareSlot)
    {
        int widest = 0, longest = 0;
        foreach (var row in batch.DecodeRows)
        {
            widest = Math.Max(widest, row.Sequence.Blocks.BlocksFor(row.Start + row.Count));
            longest = Math.Max(longest, row.Start + row.Count);
        }
        var numbers = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(staging.bytes)[..(int)(Offset(rows) + ((long)rows * widest))];
        numbers.Clear();
        numbers.Slice(2 * rows, rows).Fill(spareSlot);
        (numbers[4 * rows], numbers[(4 * rows) + 1]) = (widest, longest);
        int next = 0;
        foreach (var row in batch.DecodeRows)
        {
            var table = row.Sequence.Blocks;
            for (int position = row.Start; position < row.Start + row.Count; position++, next++)
            {
                numbers[next] = row.Sequence.TokensAndDrafts[position];
                numbers[rows + next] = position;
                numbers[(2 * rows) + next] = table.Slot(position);
                numbers[(3 * rows) + next] = position + 1;
                for (int block = 0; block < table.BlocksFor(position + 1); block++)
                    numbers[Offset(rows) + (next * widest) + block] = table.Blocks[block].Index;
            }
        }
        using var scope = NewDisposeScope();
        inputs.narrow(0, 0, numbers.Length).copy_(staging.narrow(0, 0, numbers.Length));
    }

    public void Dispose() => held.ForEach(tensor => tensor.Dispose());

    private static int Offset(int rows) => (4 * rows) + 2;
}
