using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>Means of one key head's values for a tile of queries (<see cref="MatrixTiles{TLanes, TVector}.Inputs"/>), weighted by their shares.</summary>
/// <param name="entry">Whose values.</param>
/// <param name="keyHeads">Key and value heads.</param>
/// <param name="headSize">Numbers of a head.</param>
/// <param name="keyHead">Which one.</param>
/// <param name="from">The position that the first share belongs to.</param>
internal readonly unsafe struct AttentionMix<TLanes, TVector, TStored>(in AttentionRows entry, int keyHeads, int headSize, int keyHead, int from)
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
    where TStored : struct, IStored
{
    /// <summary>Bytes of a cache line.</summary>
    private const int Line = 64;

    private const int Vectors = 4;

    private readonly AttentionRows entry = entry;
    private readonly int slot = keyHeads * headSize;

    /// <summary>Mixes.</summary>
    /// <param name="shares">[queries, pitch].</param>
    /// <param name="pitch">From one query's shares to the next's.</param>
    /// <param name="to">[queries, headSize].</param>
    /// <param name="ahead">Whether the next block's values are asked for on the way: by the first tile of several on the same values.</param>
    public void Mix(float* shares, long pitch, float* to, bool ahead)
    {
        int d = 0;
        for (; d + (Vectors * TLanes.Count) <= headSize; d += Vectors * TLanes.Count)
        {
            if (TLanes.Registers >= 32)
                Four(shares, pitch, to, d, ahead);
            else
                Three(shares, pitch, to, d, ahead);
        }
        for (; d < headSize; d += TLanes.Count)
        {
            for (int i = 0; i < MatrixTiles<TLanes, TVector>.Inputs; i++)
                One(shares + (i * pitch), to + (i * headSize), d, Math.Min(TLanes.Count, headSize - d));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Four(float* shares, long pitch, float* to, int d, bool ahead)
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        TVector c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        int n = TLanes.Count, step = entry.Pitch * TStored.Bytes, context = entry.Context;
        float* share = shares;
        for (int start = from, length; start < context; start += length)
        {
            byte* value = entry.At<TStored>(entry.Values, start, keyHead, slot) + (d * TStored.Bytes);
            length = entry.InBlock(start);
            long next = ahead && start + length < context ? entry.At<TStored>(entry.Values, start + length, keyHead, slot) + (d * TStored.Bytes) - value : 0;
            for (int p = 0; p < length; p++, value += step, share++)
            {
                if (next != 0)
                    Ask(value + next);
                var (v0, v1, v2, v3) = (Load(value, 0), Load(value, n), Load(value, 2 * n), Load(value, 3 * n));
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Three(float* shares, long pitch, float* to, int d, bool ahead)
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
        int n = TLanes.Count, step = entry.Pitch * TStored.Bytes, context = entry.Context;
        float* share = shares;
        for (int start = from, length; start < context; start += length)
        {
            byte* value = entry.At<TStored>(entry.Values, start, keyHead, slot) + (d * TStored.Bytes);
            length = entry.InBlock(start);
            long next = ahead && start + length < context ? entry.At<TStored>(entry.Values, start + length, keyHead, slot) + (d * TStored.Bytes) - value : 0;
            for (int p = 0; p < length; p++, value += step, share++)
            {
                if (next != 0)
                    Ask(value + next);
                var (s0, s1, s2) = (TLanes.Broadcast(share[0]), TLanes.Broadcast(share[pitch]), TLanes.Broadcast(share[2 * pitch]));
                var v = Load(value, 0);
                (a0, b0, c0) = (TLanes.MultiplyAdd(v, s0, a0), TLanes.MultiplyAdd(v, s1, b0), TLanes.MultiplyAdd(v, s2, c0));
                v = Load(value, n);
                (a1, b1, c1) = (TLanes.MultiplyAdd(v, s0, a1), TLanes.MultiplyAdd(v, s1, b1), TLanes.MultiplyAdd(v, s2, c1));
                v = Load(value, 2 * n);
                (a2, b2, c2) = (TLanes.MultiplyAdd(v, s0, a2), TLanes.MultiplyAdd(v, s1, b2), TLanes.MultiplyAdd(v, s2, c2));
                v = Load(value, 3 * n);
                (a3, b3, c3) = (TLanes.MultiplyAdd(v, s0, a3), TLanes.MultiplyAdd(v, s1, b3), TLanes.MultiplyAdd(v, s2, c3));
            }
        }
        Put(to + d, a0, a1, a2, a3);
        Put(to + headSize + d, b0, b1, b2, b3);
        Put(to + (2 * headSize) + d, c0, c1, c2, c3);
    }

    /// <summary>What is left of a head: one vector, or less.</summary>
    private void One(float* shares, float* to, int d, int width)
    {
        var sum = TLanes.Zero;
        new Span<float>(to + d, width).Clear();
        for (int p = from; p < entry.Context; p++)
        {
            byte* value = entry.At<TStored>(entry.Values, p, keyHead, slot) + (d * TStored.Bytes);
            if (width == TLanes.Count)
                sum = TLanes.MultiplyAdd(Load(value, 0), TLanes.Broadcast(shares[p - from]), sum);
            for (int i = 0; i < width && width < TLanes.Count; i++)
                to[d + i] += TStored.At(value, i) * shares[p - from];
        }
        if (width == TLanes.Count)
            TLanes.Store(sum, to + d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Load(byte* value, int from) => TStored.Load<TLanes, TVector>(value, from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ask(byte* value)
    {
        TLanes.Prefetch(value);
        if (Vectors * TLanes.Count * TStored.Bytes > Line)
            TLanes.Prefetch(value + Line);
        if (Vectors * TLanes.Count * TStored.Bytes > 2 * Line)
        {
            TLanes.Prefetch(value + (2 * Line));
            TLanes.Prefetch(value + (3 * Line));
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
