using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>Rows of inputs in 16 bits: each block of <see cref="Q8.Block"/> numbers has a scale of its own, so that an outlier costs its neighbours alone.</summary>
internal readonly unsafe struct Q8Inputs(short* numbers, float* scales, int blocks)
{
    /// <summary>Of a row.</summary>
    public int Blocks { get; } = blocks;

    /// <summary>[blocks · 32].</summary>
    public short* Numbers(int row) => numbers + (row * (long)Blocks * Q8.Block);

    /// <summary>[blocks].</summary>
    public float* Scales(int row) => scales + (row * (long)Blocks);
}

/// <summary>
/// Products of 8-bit weights with 16-bit inputs. A block is summed up in 32-bit integers, which is exact, and then added to one Float32 sum per
/// result, block after block: the same bits whatever the batch.
/// </summary>
internal static unsafe class Q8Tiles<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Inputs of a tile.</summary>
    public const int Inputs = 4;

    /// <summary>Vectors of rows of a tile.</summary>
    public const int Vectors = 2;

    private const int Pairs = Q8.Block / 2;
    private const int Ahead = 4096;
    private const int Line = 64;

    /// <summary>Two vectors of rows with four inputs.</summary>
    /// <param name="w">Where the first vector's rows begin (<see cref="Q8.RowIn"/>).</param>
    /// <param name="v">Where the second's do.</param>
    /// <param name="x">The inputs.</param>
    /// <param name="input">First of four.</param>
    /// <param name="count">Inputs, if they are fewer than four: the sums of the others mean nothing.</param>
    /// <param name="sums">[4 inputs, 2 vectors].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four(byte* w, byte* v, in Q8Inputs x, int input, int count, float* sums)
    {
        int blocks = x.Blocks, n = TLanes.Count, second = input + Math.Min(1, count - 1), third = input + Math.Min(2, count - 1), fourth = input + Math.Min(3, count - 1);
        short* xa = x.Numbers(input), xb = x.Numbers(second), xc = x.Numbers(third), xd = x.Numbers(fourth);
        float* sa = x.Scales(input), sb = x.Scales(second), sc = x.Scales(third), sd = x.Scales(fourth);
        // The groups behind these are asked for meanwhile, as much for each block as one of these reads.
        int ask = Math.Max(Vectors * n / Q8.Group, 1) * Q8.BlockBytes;
        byte* next = w + (blocks * (long)ask);
        TVector fa0 = TLanes.Zero, fa1 = fa0, fb0 = fa0, fb1 = fa0, fc0 = fa0, fc1 = fa0, fd0 = fa0, fd1 = fa0;
        for (int block = 0; block < blocks; block++, w += Q8.BlockBytes, v += Q8.BlockBytes)
        {
            TVector a0 = TLanes.Zero, a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
            byte* p = w + Q8.ScaleBytes, q = v + Q8.ScaleBytes;
            int k = block * Q8.Block;
            for (int line = 0; line < ask; line += Line)
                TLanes.PrefetchFar(next + line);
            next += ask;
            for (int pair = 0; pair < Pairs; pair++, p += Q8.PairBytes, q += Q8.PairBytes, k += 2)
            {
                var (w0, w1) = (TLanes.LoadPairs((sbyte*)p), TLanes.LoadPairs((sbyte*)q));
                var both = TLanes.BroadcastPair(xa + k);
                (a0, a1) = (TLanes.AddPairs(w0, both, a0), TLanes.AddPairs(w1, both, a1));
                both = TLanes.BroadcastPair(xb + k);
                (b0, b1) = (TLanes.AddPairs(w0, both, b0), TLanes.AddPairs(w1, both, b1));
                both = TLanes.BroadcastPair(xc + k);
                (c0, c1) = (TLanes.AddPairs(w0, both, c0), TLanes.AddPairs(w1, both, c1));
                both = TLanes.BroadcastPair(xd + k);
                (d0, d1) = (TLanes.AddPairs(w0, both, d0), TLanes.AddPairs(w1, both, d1));
            }
            var (s0, s1) = (TLanes.LoadBFloat16((ushort*)w), TLanes.LoadBFloat16((ushort*)v));
            var scale = TLanes.Broadcast(sa[block]);
            (fa0, fa1) = (Add(a0, s0, scale, fa0), Add(a1, s1, scale, fa1));
            scale = TLanes.Broadcast(sb[block]);
            (fb0, fb1) = (Add(b0, s0, scale, fb0), Add(b1, s1, scale, fb1));
            scale = TLanes.Broadcast(sc[block]);
            (fc0, fc1) = (Add(c0, s0, scale, fc0), Add(c1, s1, scale, fc1));
            scale = TLanes.Broadcast(sd[block]);
            (fd0, fd1) = (Add(d0, s0, scale, fd0), Add(d1, s1, scale, fd1));
        }
        Put(sums, fa0, fa1);
        Put(sums + (Vectors * n), fb0, fb1);
        Put(sums + (2 * Vectors * n), fc0, fc1);
        Put(sums + (3 * Vectors * n), fd0, fd1);
    }

    /// <summary>A group of rows with one input: reads its memory once, in order.</summary>
    /// <param name="group">The group's first block.</param>
    /// <param name="x">The inputs.</param>
    /// <param name="input">Which one.</param>
    /// <param name="sums">[<see cref="Q8.Group"/>].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Group(byte* group, in Q8Inputs x, int input, float* sums)
    {
        int blocks = x.Blocks, n = TLanes.Count;
        short* numbers = x.Numbers(input);
        float* scales = x.Scales(input);
        TVector f0 = TLanes.Zero, f1 = f0, f2 = f0, f3 = f0;
        for (int block = 0; block < blocks; block++, group += Q8.BlockBytes)
        {
            TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0;
            sbyte* p = (sbyte*)group + Q8.ScaleBytes;
            for (int line = 0; line < Q8.BlockBytes; line += Line)
                TLanes.Prefetch(group + Ahead + line);
            for (int pair = 0; pair < Pairs; pair++, p += Q8.PairBytes, numbers += 2)
            {
                var both = TLanes.BroadcastPair(numbers);
                a0 = TLanes.AddPairs(TLanes.LoadPairs(p), both, a0);
                if (TLanes.Count < 16)
                    a1 = TLanes.AddPairs(TLanes.LoadPairs(p + (2 * n)), both, a1);
                if (TLanes.Count < 8)
                    (a2, a3) = (TLanes.AddPairs(TLanes.LoadPairs(p + (4 * n)), both, a2), TLanes.AddPairs(TLanes.LoadPairs(p + (6 * n)), both, a3));
            }
            var scale = TLanes.Broadcast(scales[block]);
            ushort* s = (ushort*)group;
            f0 = Scaled(a0, s, scale, f0);
            if (TLanes.Count < 16)
                f1 = Scaled(a1, s + n, scale, f1);
            if (TLanes.Count < 8)
                (f2, f3) = (Scaled(a2, s + (2 * n), scale, f2), Scaled(a3, s + (3 * n), scale, f3));
        }
        TLanes.Store(f0, sums);
        if (TLanes.Count < 16)
            TLanes.Store(f1, sums + n);
        if (TLanes.Count < 8)
        {
            TLanes.Store(f2, sums + (2 * n));
            TLanes.Store(f3, sums + (3 * n));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Scaled(TVector whole, ushort* weightScales, TVector inputScale, TVector sum) =>
        TLanes.MultiplyAdd(TLanes.ToFloat32(whole), TLanes.Multiply(TLanes.LoadBFloat16(weightScales), inputScale), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Add(TVector whole, TVector weightScales, TVector inputScale, TVector sum) =>
        TLanes.MultiplyAdd(TLanes.ToFloat32(whole), TLanes.Multiply(weightScales, inputScale), sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* sums, TVector a, TVector b)
    {
        TLanes.Store(a, sums);
        TLanes.Store(b, sums + TLanes.Count);
    }
}
