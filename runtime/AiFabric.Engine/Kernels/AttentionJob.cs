using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>Some consecutive rows of one sequence that attend to the positions before them and to themselves.</summary>
internal unsafe struct AttentionRows
{
    /// <summary>First row of the packed batch.</summary>
    public int First;

    public int Count;

    /// <summary>Position of the first row; the others follow.</summary>
    public int Position;

    /// <summary>Blocks of the sequence: position p lies in block p / blockSize.</summary>
    public int* Blocks;

    public int BlockSize;

    /// <summary>[blocks, blockSize, keyHeads, headSize], rotated.</summary>
    public float* Keys;

    /// <summary>[blocks, blockSize, keyHeads, headSize].</summary>
    public float* Values;
}

/// <summary>How a layer attends.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyHeads">Key and value heads.</param>
/// <param name="HeadSize">Numbers of a head.</param>
/// <param name="Scale">Factor on products of queries and keys.</param>
/// <param name="SoftCap">c, where scores become c · tanh(score / c); 0 where they do not.</param>
/// <param name="Window">Positions that a row sees, its own among them.</param>
internal readonly record struct AttentionShape(int Heads, int KeyHeads, int HeadSize, float Scale, float SoftCap = 0, int Window = int.MaxValue)
{
    /// <summary>Query heads of a key head.</summary>
    public int Group => Heads / KeyHeads;

    /// <summary>The first position that the row at a position sees.</summary>
    public int FirstSeen(int position) => Math.Max(0, position - Window + 1);

    /// <summary>The first position that is looked at for some rows: on a tile's edge, so that tiles do not straddle blocks.</summary>
    public int FirstScored(in AttentionRows rows) => FirstSeen(rows.Position) / AttentionTile.Size * AttentionTile.Size;
}

/// <summary>Queries and keys are multiplied four by four.</summary>
internal static class AttentionTile
{
    public const int Size = 4;
}

/// <summary>
/// Grouped-query attention straight from the cache's blocks. A piece is one key head of one entry: the queries of its group stand below each
/// other as more queries on the same keys.
/// </summary>
internal readonly unsafe struct AttentionJob<TLanes, TVector>(
    AttentionRows* entries, float* queries, float* output, AttentionShape shape, int longest) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    private const int Tile = AttentionTile.Size;

    private readonly int headSize = shape.HeadSize;
    private readonly int keyHeads = shape.KeyHeads;

    /// <param name="rows">Rows of an entry at most.</param>
    /// <param name="longest">Positions that are looked at for an entry at most.</param>
    /// <param name="shape">Heads and their size.</param>
    public static long ScratchFloats(int rows, int longest, in AttentionShape shape) =>
        (long)((rows * shape.Group) + Tile) * (Pitch(longest) + (2 * shape.HeadSize));

    public void Run(int piece, float* scratch)
    {
        var entry = entries[piece / keyHeads];
        int keyHead = piece % keyHeads, group = shape.Group, count = entry.Count * group, context = entry.Position + entry.Count;
        int from = shape.FirstScored(entry);
        long pitch = Pitch(longest);
        float* q = scratch, scores = q + ((long)(count + Tile) * headSize), mixed = scores + ((count + Tile) * pitch);
        Gather(entry, keyHead, q);
        Scores(entry, keyHead, q, count, from, scores, pitch);
        for (int i = 0; i < count; i++)
        {
            int position = entry.Position + (i / group);
            Softmax(scores + (i * pitch), shape.FirstSeen(position) - from, position + 1 - from, context - from);
        }
        new Span<float>(scores + (count * pitch), (int)(Padding(count) * pitch)).Clear();
        for (int i = 0; i < count; i += Tile)
            Mix(entry, keyHead, scores + (i * pitch), pitch, from, mixed + (i * (long)headSize));
        for (int i = 0; i < count; i++)
        {
            var row = new ReadOnlySpan<float>(mixed + (i * (long)headSize), headSize);
            row.CopyTo(new Span<float>(output + Place(entry, keyHead, i), headSize));
        }
    }

    // A cache line further than whole pages, so that tiles of rows do not fall on the same lines of the first-level cache.
    private static long Pitch(int longest) => ((longest + 15) / 16 * 16) + 16;

    private static int Padding(int count) => (Tile - (count % Tile)) % Tile;

    private long Place(in AttentionRows entry, int keyHead, int i) =>
        (((entry.First + (i / shape.Group)) * (long)shape.Heads) + (keyHead * shape.Group) + (i % shape.Group)) * headSize;

    /// <summary>The queries of a group, scaled, below each other; the last tile is filled up with zeros.</summary>
    private void Gather(in AttentionRows entry, int keyHead, float* to)
    {
        int count = entry.Count * shape.Group;
        for (int i = 0; i < count; i++)
        {
            float* from = queries + Place(entry, keyHead, i);
            for (int d = 0; d < headSize; d++)
                to[(i * headSize) + d] = from[d] * shape.Scale;
        }
        new Span<float>(to + (count * headSize), Padding(count) * headSize).Clear();
    }

    /// <summary>Products of the queries with the keys of positions from one on; the scores of that one come first.</summary>
    private void Scores(in AttentionRows entry, int keyHead, float* q, int count, int from, float* scores, long pitch)
    {
        int context = entry.Position + entry.Count;
        long slot = (long)keyHeads * headSize;
        float* sums = stackalloc float[Tile * Tile];
        for (int start = from, length; start < context; start += length)
        {
            length = InBlock(entry, start);
            float* keys = At(entry, entry.Keys, keyHead, start);
            for (int key = 0; key < length; key += Tile)
            {
                int valid = Math.Min(Tile, length - key);
                for (int i = 0; i < count; i += Tile)
                {
                    // Fewer than four keys: the last positions of a block that is not full, or of a small block. Each then stands for four.
                    for (int part = 0; part < (valid == Tile ? 1 : valid); part++)
                    {
                        MatrixTiles<TLanes, TVector>.Four(
                            keys + ((key + part) * slot), valid == Tile ? slot : 0, q + (i * headSize), headSize, headSize, sums);
                        for (int j = 0; j < Tile; j++)
                            new ReadOnlySpan<float>(sums + (j * Tile), valid == Tile ? Tile : 1).CopyTo(new Span<float>(scores + ((i + j) * pitch) + start - from + key + part, Tile));
                    }
                }
            }
        }
    }

    /// <summary>Over the scores from the first visible one to the last; the others get 0.</summary>
    private void Softmax(float* scores, int first, int end, int count)
    {
        new Span<float>(scores, first).Clear();
        if (shape.SoftCap > 0)
            SoftCapJob<TLanes, TVector>.Apply(scores + first, end - first, shape.SoftCap);
        Softmax(scores + first, end - first);
        new Span<float>(scores + end, count - end).Clear();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax(float* scores, int visible)
    {
        int whole = visible - (visible % TLanes.Count), p = 0;
        float most = float.NegativeInfinity;
        if (whole > 0)
        {
            var largest = TLanes.Load(scores);
            for (; p < whole; p += TLanes.Count)
                largest = TLanes.Max(largest, TLanes.Load(scores + p));
            most = TLanes.Largest(largest);
        }
        for (; p < visible; p++)
            most = MathF.Max(most, scores[p]);
        var (minus, sums) = (TLanes.Broadcast(-most), TLanes.Zero);
        for (p = 0; p < whole; p += TLanes.Count)
        {
            var e = TLanes.Exp(TLanes.Add(TLanes.Load(scores + p), minus));
            TLanes.Store(e, scores + p);
            sums = TLanes.Add(sums, e);
        }
        float sum = TLanes.Sums(sums, TLanes.Zero, TLanes.Zero, TLanes.Zero)[0];
        for (; p < visible; p++)
            sum += scores[p] = MathF.Exp(scores[p] - most);
        var factor = TLanes.Broadcast(1 / sum);
        for (p = 0; p < whole; p += TLanes.Count)
            TLanes.Store(TLanes.Multiply(TLanes.Load(scores + p), factor), scores + p);
        for (; p < visible; p++)
            scores[p] /= sum;
    }

    /// <summary>Four queries' means of the values, weighted by their shares.</summary>
    private void Mix(in AttentionRows entry, int keyHead, float* shares, long pitch, int from, float* to)
    {
        int d = 0;
        for (; d + (Tile * TLanes.Count) <= headSize; d += Tile * TLanes.Count)
            MixFour(entry, keyHead, shares, pitch, from, to, d);
        for (; d + TLanes.Count <= headSize; d += TLanes.Count)
            MixOne(entry, keyHead, shares, pitch, from, to, d);
        for (; d < headSize; d++)
        {
            for (int i = 0; i < Tile; i++)
            {
                float sum = 0;
                for (int p = from; p < entry.Position + entry.Count; p++)
                    sum += shares[(i * pitch) + p - from] * At(entry, entry.Values, keyHead, p)[d];
                to[(i * headSize) + d] = sum;
            }
        }
    }

    /// <summary>Where a position's keys or values lie.</summary>
    private float* At(in AttentionRows entry, float* cached, int keyHead, int position) =>
        cached + (((((entry.Blocks[position / entry.BlockSize] * (long)entry.BlockSize) + (position % entry.BlockSize)) * keyHeads) + keyHead) * headSize);

    /// <summary>Positions from one on that lie in its block.</summary>
    private static int InBlock(in AttentionRows entry, int position) =>
        Math.Min(entry.BlockSize - (position % entry.BlockSize), entry.Position + entry.Count - position);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MixFour(in AttentionRows entry, int keyHead, float* shares, long pitch, int from, float* to, int d)
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        TVector c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        int slot = keyHeads * headSize, n = TLanes.Count, context = entry.Position + entry.Count;
        float* share = shares;
        for (int start = from, length; start < context; start += length)
        {
            float* value = At(entry, entry.Values, keyHead, start) + d;
            length = InBlock(entry, start);
            for (int p = 0; p < length; p++, value += slot, share++)
            {
                var v0 = TLanes.Load(value);
                var v1 = TLanes.Load(value + n);
                var v2 = TLanes.Load(value + (2 * n));
                var v3 = TLanes.Load(value + (3 * n));
                var s = TLanes.Broadcast(share[0]);
                (a0, a1, a2, a3) = (TLanes.MultiplyAdd(v0, s, a0), TLanes.MultiplyAdd(v1, s, a1), TLanes.MultiplyAdd(v2, s, a2), TLanes.MultiplyAdd(v3, s, a3));
                s = TLanes.Broadcast(share[pitch]);
                (b0, b1, b2, b3) = (TLanes.MultiplyAdd(v0, s, b0), TLanes.MultiplyAdd(v1, s, b1), TLanes.MultiplyAdd(v2, s, b2), TLanes.MultiplyAdd(v3, s, b3));
                s = TLanes.Broadcast(share[2 * pitch]);
                (c0, c1, c2, c3) = (TLanes.MultiplyAdd(v0, s, c0), TLanes.MultiplyAdd(v1, s, c1), TLanes.MultiplyAdd(v2, s, c2), TLanes.MultiplyAdd(v3, s, c3));
                s = TLanes.Broadcast(share[3 * pitch]);
                (d0, d1, d2, d3) = (TLanes.MultiplyAdd(v0, s, d0), TLanes.MultiplyAdd(v1, s, d1), TLanes.MultiplyAdd(v2, s, d2), TLanes.MultiplyAdd(v3, s, d3));
            }
        }
        Put(to + d, a0, a1, a2, a3);
        Put(to + headSize + d, b0, b1, b2, b3);
        Put(to + (2 * headSize) + d, c0, c1, c2, c3);
        Put(to + (3 * headSize) + d, d0, d1, d2, d3);
    }

    private void MixOne(in AttentionRows entry, int keyHead, float* shares, long pitch, int from, float* to, int d)
    {
        for (int i = 0; i < Tile; i++)
        {
            var sum = TLanes.Zero;
            for (int p = from; p < entry.Position + entry.Count; p++)
                sum = TLanes.MultiplyAdd(TLanes.Load(At(entry, entry.Values, keyHead, p) + d), TLanes.Broadcast(shares[(i * pitch) + p - from]), sum);
            TLanes.Store(sum, to + (i * headSize) + d);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* to, TVector a, TVector b, TVector c, TVector d)
    {
        TLanes.Store(a, to);
        TLanes.Store(b, to + TLanes.Count);
        TLanes.Store(c, to + (2 * TLanes.Count));
        TLanes.Store(d, to + (3 * TLanes.Count));
    }
}
