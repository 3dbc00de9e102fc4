using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AiFabric.Engine.Kernels;

/// <summary>
/// Dot products of a matrix's rows with vectors. Each of the results has one accumulator that runs through the columns in order, so that a
/// result's bits do not depend on what else is in the batch, nor on the weights' format once they are restored.
/// </summary>
internal static unsafe class MatrixTiles<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of the matrix that a tile takes.</summary>
    public const int Rows = 4;

    /// <summary>How far ahead of the reading weights are asked for, in bytes, where one pass over them is all there is.</summary>
    private const int Ahead = 4096;

    private const int Line = 64;

    /// <summary>Vectors that a tile takes: as many as leave no sum without a register.</summary>
    public static int Inputs
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TLanes.Registers >= 32 ? 4 : 3;
    }

    /// <summary>Four rows with some vectors.</summary>
    /// <param name="w">First of four rows.</param>
    /// <param name="pitch">From one row to the next.</param>
    /// <param name="x">First of <see cref="Inputs"/> vectors.</param>
    /// <param name="xPitch">From one vector to the next.</param>
    /// <param name="columns">Length of all.</param>
    /// <param name="sums">[<see cref="Inputs"/>, 4 rows].</param>
    /// <param name="sumsPitch">From one vector's sums to the next's.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile<TStored>(void* w, long pitch, float* x, long xPitch, int columns, float* sums, long sumsPitch)
        where TStored : struct, IStored => Tile<TStored, InCache>(w, pitch, x, xPitch, columns, sums, sumsPitch, Inputs);

    /// <summary>The same of fewer vectors than a tile takes, and of rows that are, or are not, in a cache.</summary>
    /// <param name="w">First of four rows.</param>
    /// <param name="pitch">From one row to the next.</param>
    /// <param name="x">First vector.</param>
    /// <param name="xPitch">From one vector to the next.</param>
    /// <param name="columns">Length of all.</param>
    /// <param name="sums">[<see cref="Inputs"/>, 4 rows]: those of vectors that there are not mean nothing.</param>
    /// <param name="sumsPitch">From one vector's sums to the next's.</param>
    /// <param name="count">Vectors.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Tile<TStored, TSource>(void* w, long pitch, float* x, long xPitch, int columns, float* sums, long sumsPitch, int count)
        where TStored : struct, IStored
        where TSource : struct, IRowSource
    {
        if (TLanes.Registers >= 32)
            Four<TStored, TSource>(w, pitch, x, xPitch, columns, sums, sumsPitch, count);
        else
            Three<TStored, TSource>(w, pitch, x, xPitch, columns, sums, sumsPitch, count);
        int whole = columns - (columns % TLanes.Count);
        if (whole == columns)
            return;
        for (int i = 0; i < Rows * count; i++)
        {
            float* sum = sums + (i / Rows * sumsPitch) + (i % Rows);
            *sum = Rest<TStored>(RowIn<TStored>(w, i % Rows * pitch), x + (i / Rows * xPitch), whole, columns, *sum);
        }
    }

    /// <summary>
    /// One row with one vector: memory's speed, which one stream in order uses best (measured: 98 % of what plain reading gets).
    /// </summary>
    /// <param name="w">The row.</param>
    /// <param name="x">The vector.</param>
    /// <param name="columns">Length of both.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Row<TStored>(void* w, float* x, int columns)
        where TStored : struct, IStored
    {
        var sum = TLanes.Zero;
        int step = 2 * TLanes.Count, k = 0;
        for (; k + step <= columns; k += step)
        {
            for (int line = 0; line < step * TStored.Bytes; line += Line)
                TLanes.Prefetch((byte*)w + (k * TStored.Bytes) + Ahead + line);
            sum = TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(w, k), TLanes.Load(x + k), sum);
            sum = TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(w, k + TLanes.Count), TLanes.Load(x + k + TLanes.Count), sum);
        }
        for (; k + TLanes.Count <= columns; k += TLanes.Count)
            sum = TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(w, k), TLanes.Load(x + k), sum);
        return Rest<TStored>(w, x, k, columns, TLanes.Sums(sum, TLanes.Zero, TLanes.Zero, TLanes.Zero)[0]);
    }

    /// <summary>
    /// Two rows with one vector. Narrow numbers come faster than one sum after the other can take them in.
    /// </summary>
    /// <param name="w">First row.</param>
    /// <param name="v">Second row, which follows it.</param>
    /// <param name="x">The vector.</param>
    /// <param name="columns">Length of all.</param>
    /// <param name="sums">[4], of which the first two mean something.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pair<TStored>(void* w, void* v, float* x, int columns, float* sums)
        where TStored : struct, IStored
    {
        TVector a = TLanes.Zero, b = a;
        int step = 2 * TLanes.Count, k = 0;
        for (; k + step <= columns; k += step)
        {
            for (int line = 0; line < 2 * step * TStored.Bytes; line += Line)
                TLanes.Prefetch((byte*)w + (2 * k * TStored.Bytes) + Ahead + line);
            var (first, second) = (TLanes.Load(x + k), TLanes.Load(x + k + TLanes.Count));
            a = TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(w, k + TLanes.Count), second, TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(w, k), first, a));
            b = TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(v, k + TLanes.Count), second, TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(v, k), first, b));
        }
        for (; k + TLanes.Count <= columns; k += TLanes.Count)
        {
            var first = TLanes.Load(x + k);
            a = TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(w, k), first, a);
            b = TLanes.MultiplyAdd(TStored.Load<TLanes, TVector>(v, k), first, b);
        }
        TLanes.Sums(a, b, TLanes.Zero, TLanes.Zero).Store(sums);
        for (; k < columns; k++)
        {
            sums[0] += TStored.At(w, k) * x[k];
            sums[1] += TStored.At(v, k) * x[k];
        }
    }

    /// <summary>A row of a matrix as Float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Restore(in KernelMatrix matrix, int row, float* to)
    {
        long start = (long)row * matrix.Columns;
        switch (matrix.Format)
        {
            case WeightFormat.Float32:
                new ReadOnlySpan<float>((float*)matrix.Data + start, matrix.Columns).CopyTo(new Span<float>(to, matrix.Columns));
                break;
            case WeightFormat.BFloat16:
                ushort* from = (ushort*)matrix.Data + start;
                int k = 0;
                for (; k + TLanes.Count <= matrix.Columns; k += TLanes.Count)
                    TLanes.Store(TLanes.LoadBFloat16(from + k), to + k);
                for (; k < matrix.Columns; k++)
                    to[k] = Q8.Scale(from[k]);
                break;
            default:
                Q8.Restore(matrix.Data, row, matrix.Columns, to);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four<TStored, TSource>(void* w, long pitch, float* x, long xPitch, int columns, float* sums, long sumsPitch, int count)
        where TStored : struct, IStored
        where TSource : struct, IRowSource
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        TVector c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        void* wb = RowIn<TStored>(w, pitch), wc = RowIn<TStored>(w, 2 * pitch), wd = RowIn<TStored>(w, 3 * pitch);
        float* xb = count > 1 ? x + xPitch : x, xc = count > 2 ? xb + xPitch : xb, xd = count > 3 ? xc + xPitch : xc;
        int whole = columns - (columns % TLanes.Count);
        for (int k = 0; k < whole; k += TLanes.Count)
        {
            if (TSource.IsMemory)
                Ask<TStored>(w, Rows * (pitch + k));
            var w0 = TStored.Load<TLanes, TVector>(w, k);
            var w1 = TStored.Load<TLanes, TVector>(wb, k);
            var w2 = TStored.Load<TLanes, TVector>(wc, k);
            var w3 = TStored.Load<TLanes, TVector>(wd, k);
            var v = TLanes.Load(x + k);
            (a0, a1, a2, a3) = (TLanes.MultiplyAdd(w0, v, a0), TLanes.MultiplyAdd(w1, v, a1), TLanes.MultiplyAdd(w2, v, a2), TLanes.MultiplyAdd(w3, v, a3));
            v = TLanes.Load(xb + k);
            (b0, b1, b2, b3) = (TLanes.MultiplyAdd(w0, v, b0), TLanes.MultiplyAdd(w1, v, b1), TLanes.MultiplyAdd(w2, v, b2), TLanes.MultiplyAdd(w3, v, b3));
            v = TLanes.Load(xc + k);
            (c0, c1, c2, c3) = (TLanes.MultiplyAdd(w0, v, c0), TLanes.MultiplyAdd(w1, v, c1), TLanes.MultiplyAdd(w2, v, c2), TLanes.MultiplyAdd(w3, v, c3));
            v = TLanes.Load(xd + k);
            (d0, d1, d2, d3) = (TLanes.MultiplyAdd(w0, v, d0), TLanes.MultiplyAdd(w1, v, d1), TLanes.MultiplyAdd(w2, v, d2), TLanes.MultiplyAdd(w3, v, d3));
        }
        TLanes.StoreSums(a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, sums, sumsPitch);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Three<TStored, TSource>(void* w, long pitch, float* x, long xPitch, int columns, float* sums, long sumsPitch, int count)
        where TStored : struct, IStored
        where TSource : struct, IRowSource
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
        void* wb = RowIn<TStored>(w, pitch), wc = RowIn<TStored>(w, 2 * pitch), wd = RowIn<TStored>(w, 3 * pitch);
        float* xb = count > 1 ? x + xPitch : x, xc = count > 2 ? xb + xPitch : xb;
        int whole = columns - (columns % TLanes.Count);
        for (int k = 0; k < whole; k += TLanes.Count)
        {
            if (TSource.IsMemory)
                Ask<TStored>(w, Rows * (pitch + k));
            var v0 = TLanes.Load(x + k);
            var v1 = TLanes.Load(xb + k);
            var v2 = TLanes.Load(xc + k);
            var r = TStored.Load<TLanes, TVector>(w, k);
            (a0, b0, c0) = (TLanes.MultiplyAdd(r, v0, a0), TLanes.MultiplyAdd(r, v1, b0), TLanes.MultiplyAdd(r, v2, c0));
            r = TStored.Load<TLanes, TVector>(wb, k);
            (a1, b1, c1) = (TLanes.MultiplyAdd(r, v0, a1), TLanes.MultiplyAdd(r, v1, b1), TLanes.MultiplyAdd(r, v2, c1));
            r = TStored.Load<TLanes, TVector>(wc, k);
            (a2, b2, c2) = (TLanes.MultiplyAdd(r, v0, a2), TLanes.MultiplyAdd(r, v1, b2), TLanes.MultiplyAdd(r, v2, c2));
            r = TStored.Load<TLanes, TVector>(wd, k);
            (a3, b3, c3) = (TLanes.MultiplyAdd(r, v0, a3), TLanes.MultiplyAdd(r, v1, b3), TLanes.MultiplyAdd(r, v2, c3));
        }
        TLanes.Sums(a0, a1, a2, a3).Store(sums);
        TLanes.Sums(b0, b1, b2, b3).Store(sums + sumsPitch);
        TLanes.Sums(c0, c1, c2, c3).Store(sums + (2 * sumsPitch));
    }

    // A vector's worth of each of the four rows behind these.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ask<TStored>(void* w, long offset)
        where TStored : struct, IStored
    {
        for (int line = 0; line < Rows * TLanes.Count * TStored.Bytes; line += Line)
            TLanes.PrefetchFar((byte*)RowIn<TStored>(w, offset) + line);
    }

    private static float Rest<TStored>(void* w, float* x, int from, int columns, float sum)
        where TStored : struct, IStored
    {
        for (int k = from; k < columns; k++)
            sum += TStored.At(w, k) * x[k];
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void* RowIn<TStored>(void* w, long offset)
        where TStored : struct, IStored => (byte*)w + (offset * TStored.Bytes);
}
