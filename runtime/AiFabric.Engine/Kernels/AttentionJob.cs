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

/// <summary>
/// Grouped-query attention straight from the cache's blocks. A piece is one key head of one entry: the queries of its group stand below each
/// other as more queries on the same keys.
/// </summary>
internal readonly unsafe struct AttentionJob<TLanes, TVector>(
    AttentionRows* entries, float* queries, float* output, int heads, int keyHeads, int headSize, int longest) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    private const int Tile = 4;

    /// <param name="rows">Rows of an entry at most.</param>
    /// <param name="context">Positions that a row sees at most.</param>
    /// <param name="group">Query heads of a key head.</param>
    /// <param name="headSize">Numbers of a head.</param>
    public static long ScratchFloats(int rows, int context, int group, int headSize) =>
        (long)((rows * group) + Tile) * (Pitch(context) + (2 * headSize));

    public void Run(int piece, float* scratch)
    {
        var entry = entries[piece / keyHeads];
        int keyHead = piece % keyHeads, group = heads / keyHeads, count = entry.Count * group, context = entry.Position + entry.Count;
        long pitch = Pitch(longest);
        float* q = scratch, scores = q + ((long)(count + Tile) * headSize), mixed = scores + ((count + Tile) * pitch);
        Gather(entry, keyHead, group, q);
        Scores(entry, keyHead, q, count, context, scores, pitch);
        for (int i = 0; i < count; i++)
            Softmax(scores + (i * pitch), entry.Position + (i / group) + 1, context);
        new Span<float>(scores + (count * pitch), (int)(Padding(count) * pitch)).Clear();
        for (int i = 0; i < count; i += Tile)
            Mix(entry, keyHead, scores + (i * pitch), pitch, context, mixed + (i * (long)headSize));
        for (int i = 0; i < count; i++)
        {
            var row = new ReadOnlySpan<float>(mixed + (i * (long)headSize), headSize);
            row.CopyTo(new Span<float>(output + Place(entry, keyHead, group, i), headSize));
        }
    }

    // A cache line further than whole pages, so that tiles of rows do not fall on the same lines of the first-level cache.
    private static long Pitch(int context) => ((context + 15) / 16 * 16) + 16;

    private static int Padding(int count) => (Tile - (count % Tile)) % Tile;

    private long Place(in AttentionRows entry, int keyHead, int group, int i) =>
        ((((entry.First + (i / group)) * (long)heads) + (keyHead * group) + (i % group)) * headSize);

    /// <summary>The queries of a group, scaled, below each other; the last tile is filled up with zeros.</summary>
    private void Gather(in AttentionRows entry, int keyHead, int group, float* to)
    {
        int count = entry.Count * group;
        float scale = 1 / MathF.Sqrt(headSize);
        for (int i = 0; i < count; i++)
        {
            float* from = queries + Place(entry, keyHead, group, i);
            for (int d = 0; d < headSize; d++)
                to[(i * headSize) + d] = from[d] * scale;
        }
        new Span<float>(to + (count * headSize), Padding(count) * headSize).Clear();
    }

    private void Scores(in AttentionRows entry, int keyHead, float* q, int count, int context, float* scores, long pitch)
    {
        long slot = (long)keyHeads * headSize;
        float* sums = stackalloc float[Tile * Tile];
        for (int start = 0; start < context; start += entry.BlockSize)
        {
            int length = Math.Min(entry.BlockSize, context - start);
            float* keys = entry.Keys + (entry.Blocks[start / entry.BlockSize] * (long)entry.BlockSize * slot) + (keyHead * headSize);
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
                            new ReadOnlySpan<float>(sums + (j * Tile), valid == Tile ? Tile : 1).CopyTo(new Span<float>(scores + ((i + j) * pitch) + start + key + part, Tile));
                    }
                }
            }
        }
    }

    /// <summary>Over the first positions; the others get 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax(float* scores, int visible, int context)
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
        new Span<float>(scores + visible, context - visible).Clear();
    }

    /// <summary>Four queries' means of the values, weighted by their shares.</summary>
    private void Mix(in AttentionRows entry, int keyHead, float* shares, long pitch, int context, float* to)
    {
        int d = 0;
        for (; d + (Tile * TLanes.Count) <= headSize; d += Tile * TLanes.Count)
            MixFour(entry, keyHead, shares, pitch, context, to, d);
        for (; d + TLanes.Count <= headSize; d += TLanes.Count)
            MixOne(entry, keyHead, shares, pitch, context, to, d);
        for (; d < headSize; d++)
        {
            for (int i = 0; i < Tile; i++)
            {
                float sum = 0;
                for (int p = 0; p < context; p++)
                    sum += shares[(i * pitch) + p] * Value(entry, keyHead, p)[d];
                to[(i * headSize) + d] = sum;
            }
        }
    }

    private float* Value(in AttentionRows entry, int keyHead, int position) =>
        entry.Values + ((((entry.Blocks[position / entry.BlockSize] * (long)entry.BlockSize) + (position % entry.BlockSize)) * keyHeads) + keyHead) * headSize;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MixFour(in AttentionRows entry, int keyHead, float* shares, long pitch, int context, float* to, int d)
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        TVector c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        int slot = keyHeads * headSize, n = TLanes.Count;
        float* share = shares;
        for (int start = 0; start < context; start += entry.BlockSize)
        {
            float* value = Value(entry, keyHead, start) + d;
            int length = Math.Min(entry.BlockSize, context - start);
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

    private void MixOne(in AttentionRows entry, int keyHead, float* shares, long pitch, int context, float* to, int d)
    {
        for (int i = 0; i < Tile; i++)
        {
            var sum = TLanes.Zero;
            for (int p = 0; p < context; p++)
                sum = TLanes.MultiplyAdd(TLanes.Load(Value(entry, keyHead, p) + d), TLanes.Broadcast(shares[(i * pitch) + p]), sum);
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
