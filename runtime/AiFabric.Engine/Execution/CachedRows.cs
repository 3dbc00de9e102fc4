using AiFabric.Engine.KvCache;
using AiFabric.Engine.Models;
using AiFabric.Engine.Scheduling;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>
/// Rows that attend one by one to what the cache holds: every row's blocks, padded to the longest context. A row with drafts is a row for each of its
/// tokens, which sees no more than comes before it. Its tensors belong to the scope in which it was sealed.
/// </summary>
internal sealed class CachedRows
{
    private readonly List<(BlockTable? Table, int Length)> rows = [];
    private Tensor? blocks;
    private Tensor? lengths;

    public int Count => rows.Count;

    /// <summary>Slots per row, padding included.</summary>
    public int Context { get; private set; }

    /// <summary>[rows · blocks per row] Int64.</summary>
    public Tensor Blocks => blocks ?? throw new InvalidOperationException("The rows are not sealed.");

    /// <summary>[rows + 2] Int64: keys that each row sees, its own among them, 0 for skipped rows; then blocks per row, and the context.</summary>
    public Tensor Lengths => lengths ?? throw new InvalidOperationException("The rows are not sealed.");

    /// <summary>[rows, 1, 1, context]: −∞ for slots behind the row's last token and before its window; null where nobody needs it.</summary>
    public LayerMasks? Masks { get; private set; }

    /// <summary>[rows, context, 1, 1] Bool: slots behind the row's last token, in which lies what others left there; null where nobody needs it.</summary>
    public Tensor? Stale { get; private set; }

    public void Add(BatchRows added)
    {
        for (int position = added.Start; position < added.Start + added.Count; position++)
            rows.Add((added.Sequence.Blocks, position + 1));
    }

    /// <summary>Leaves rows out that attend in another way.</summary>
    public void Skip(int count)
    {
        for (int i = 0; i < count; i++)
            rows.Add((null, 0));
    }

    /// <summary>Makes the tensors. Skipped rows at the end are no rows of it.</summary>
    /// <returns>False when there is no row.</returns>
    public bool Seal(DecoderWeights weights, bool masks)
    {
        int last = rows.FindLastIndex(row => row.Table is not null);
        rows.RemoveRange(last + 1, rows.Count - last - 1);
        if (last < 0)
            return false;
        int widest = rows.Max(row => row.Table?.BlocksFor(row.Length) ?? 0), blockSize = rows[last].Table?.BlockSize ?? 0;
        Context = widest * blockSize;
        blocks = HostTensors.Upload(Places(widest), weights.Device);
        lengths = HostTensors.Upload([.. rows.Select(row => (long)row.Length), widest, Context], weights.Device);
        if (masks)
        {
            Masks = new LayerMasks(weights.Config, window => HostTensors.Upload(Hidden(window), weights.Device).to(weights.Type).view(Count, 1, 1, Context));
            Stale = HostTensors.Upload(Hidden(window: null), weights.Device).to(ScalarType.Bool).view(Count, Context, 1, 1);
        }
        return true;
    }

    private long[] Places(int widest)
    {
        var places = new long[Count * widest];
        for (int row = 0; row < Count; row++)
        {
            if (rows[row].Table is not { } table)
                continue;
            int used = table.BlocksFor(rows[row].Length);
            // Padding repeats a block of the row's own, so that no other request's memory is read.
            for (int block = 0; block < widest; block++)
                places[(row * widest) + block] = table.Blocks[block < used ? block : 0].Index;
        }
        return places;
    }

    private float[] Hidden(int? window)
    {
        var mask = new float[Count * Context];
        for (int row = 0; row < Count; row++)
        {
            int length = rows[row].Length;
            var seen = mask.AsSpan(row * Context, Context);
            seen[length..].Fill(float.NegativeInfinity);
            seen[..Math.Max(0, length - (window ?? length))].Fill(float.NegativeInfinity);
        }
        return mask;
    }
}
