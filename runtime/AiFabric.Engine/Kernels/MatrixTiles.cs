using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AiFabric.Engine.Kernels;

/// <summary>
/// Dot products of four rows of a matrix with one or four vectors. Each of the results has one accumulator that runs through the columns in
/// order, so that a result's bits do not depend on what else is in the batch, nor on the weights' format once they are restored.
/// </summary>
internal static unsafe class MatrixTiles<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of the matrix that a tile takes.</summary>
    public const int Rows = 4;

    /// <summary>
    /// How far ahead a single vector's tiles ask for weights, in bytes. Their four rows are too short for the processor's own prefetching, which
    /// starts anew with each.
    /// </summary>
    private const int Ahead = 4096;

    /// <summary>Four vectors.</summary>
    /// <param name="w">First of four rows of Float32.</param>
    /// <param name="pitch">From one row to the next.</param>
    /// <param name="x">First of four vectors.</param>
    /// <param name="xPitch">From one vector to the next.</param>
    /// <param name="columns">Length of all.</param>
    /// <param name="sums">[4 vectors, 4 rows].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four(float* w, long pitch, float* x, long xPitch, int columns, float* sums)
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        TVector c0 = a0, c1 = a0, c2 = a0, c3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
        float* wb = w + pitch, wc = wb + pitch, wd = wc + pitch;
        float* xb = x + xPitch, xc = xb + xPitch, xd = xc + xPitch;
        int whole = columns - (columns % TLanes.Count);
        for (int k = 0; k < whole; k += TLanes.Count)
        {
            var w0 = TLanes.Load(w + k);
            var w1 = TLanes.Load(wb + k);
            var w2 = TLanes.Load(wc + k);
            var w3 = TLanes.Load(wd + k);
            var v = TLanes.Load(x + k);
            (a0, a1, a2, a3) = (TLanes.MultiplyAdd(w0, v, a0), TLanes.MultiplyAdd(w1, v, a1), TLanes.MultiplyAdd(w2, v, a2), TLanes.MultiplyAdd(w3, v, a3));
            v = TLanes.Load(xb + k);
            (b0, b1, b2, b3) = (TLanes.MultiplyAdd(w0, v, b0), TLanes.MultiplyAdd(w1, v, b1), TLanes.MultiplyAdd(w2, v, b2), TLanes.MultiplyAdd(w3, v, b3));
            v = TLanes.Load(xc + k);
            (c0, c1, c2, c3) = (TLanes.MultiplyAdd(w0, v, c0), TLanes.MultiplyAdd(w1, v, c1), TLanes.MultiplyAdd(w2, v, c2), TLanes.MultiplyAdd(w3, v, c3));
            v = TLanes.Load(xd + k);
            (d0, d1, d2, d3) = (TLanes.MultiplyAdd(w0, v, d0), TLanes.MultiplyAdd(w1, v, d1), TLanes.MultiplyAdd(w2, v, d2), TLanes.MultiplyAdd(w3, v, d3));
        }
        TLanes.Sums(a0, a1, a2, a3).Store(sums);
        TLanes.Sums(b0, b1, b2, b3).Store(sums + 4);
        TLanes.Sums(c0, c1, c2, c3).Store(sums + 8);
        TLanes.Sums(d0, d1, d2, d3).Store(sums + 12);
        for (int i = 0; i < 16 && whole < columns; i++)
            sums[i] = Rest(w + (i % 4 * pitch), x + (i / 4 * xPitch), whole, columns, sums[i]);
    }

    /// <summary>One vector.</summary>
    /// <param name="w">First of four rows of Float32.</param>
    /// <param name="pitch">From one row to the next.</param>
    /// <param name="x">The vector.</param>
    /// <param name="columns">Length of all.</param>
    /// <param name="sums">[4 rows].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(float* w, long pitch, float* x, int columns, float* sums)
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0;
        float* wb = w + pitch, wc = wb + pitch, wd = wc + pitch;
        int whole = columns - (columns % TLanes.Count);
        for (int k = 0; k < whole; k += TLanes.Count)
        {
            PrefetchLines((byte*)(w + (Rows * k)), Rows * TLanes.Count * sizeof(float));
            var v = TLanes.Load(x + k);
            a0 = TLanes.MultiplyAdd(TLanes.Load(w + k), v, a0);
            a1 = TLanes.MultiplyAdd(TLanes.Load(wb + k), v, a1);
            a2 = TLanes.MultiplyAdd(TLanes.Load(wc + k), v, a2);
            a3 = TLanes.MultiplyAdd(TLanes.Load(wd + k), v, a3);
        }
        TLanes.Sums(a0, a1, a2, a3).Store(sums);
        for (int i = 0; i < Rows && whole < columns; i++)
            sums[i] = Rest(w + (i * pitch), x, whole, columns, sums[i]);
    }

    /// <summary>One vector; the rows are BFloat16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(ushort* w, long pitch, float* x, int columns, float* sums)
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0;
        ushort* wb = w + pitch, wc = wb + pitch, wd = wc + pitch;
        int whole = columns - (columns % TLanes.Count);
        for (int k = 0; k < whole; k += TLanes.Count)
        {
            PrefetchLines((byte*)(w + (Rows * k)), Rows * TLanes.Count * sizeof(ushort));
            var v = TLanes.Load(x + k);
            a0 = TLanes.MultiplyAdd(TLanes.LoadBFloat16(w + k), v, a0);
            a1 = TLanes.MultiplyAdd(TLanes.LoadBFloat16(wb + k), v, a1);
            a2 = TLanes.MultiplyAdd(TLanes.LoadBFloat16(wc + k), v, a2);
            a3 = TLanes.MultiplyAdd(TLanes.LoadBFloat16(wd + k), v, a3);
        }
        TLanes.Sums(a0, a1, a2, a3).Store(sums);
        for (int i = 0; i < Rows && whole < columns; i++)
        {
            for (int k = whole; k < columns; k++)
                sums[i] += Q8.Scale(w[(i * pitch) + k]) * x[k];
        }
    }

    /// <summary>One vector; the rows are Q8, and the columns a multiple of its block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One(sbyte* w, ushort* scales, long pitch, float* x, int columns, float* sums)
    {
        TVector a0 = TLanes.Zero, a1 = a0, a2 = a0, a3 = a0;
        sbyte* wb = w + pitch, wc = wb + pitch, wd = wc + pitch;
        int blocks = columns / Q8.Block;
        for (int block = 0; block < blocks; block++)
        {
            PrefetchLines((byte*)w + (Rows * block * Q8.Block), Rows * Q8.Block);
            ushort* s = scales + block;
            var (s0, s1) = (TLanes.BroadcastBFloat16(*s), TLanes.BroadcastBFloat16(s[blocks]));
            var (s2, s3) = (TLanes.BroadcastBFloat16(s[2 * blocks]), TLanes.BroadcastBFloat16(s[3 * blocks]));
            int end = (block + 1) * Q8.Block;
            for (int k = block * Q8.Block; k < end; k += TLanes.Count)
            {
                var v = TLanes.Load(x + k);
                a0 = TLanes.MultiplyAdd(TLanes.Multiply(TLanes.LoadInt8(w + k), s0), v, a0);
                a1 = TLanes.MultiplyAdd(TLanes.Multiply(TLanes.LoadInt8(wb + k), s1), v, a1);
                a2 = TLanes.MultiplyAdd(TLanes.Multiply(TLanes.LoadInt8(wc + k), s2), v, a2);
                a3 = TLanes.MultiplyAdd(TLanes.Multiply(TLanes.LoadInt8(wd + k), s3), v, a3);
            }
        }
        TLanes.Sums(a0, a1, a2, a3).Store(sums);
    }

    /// <summary>Restores a row as Float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Restore(in KernelMatrix matrix, int row, float* to)
    {
        long start = (long)row * matrix.Columns;
        int k = 0;
        if (matrix.Format == WeightFormat.Float32)
        {
            new ReadOnlySpan<float>((float*)matrix.Data + start, matrix.Columns).CopyTo(new Span<float>(to, matrix.Columns));
        }
        else if (matrix.Format == WeightFormat.BFloat16)
        {
            ushort* from = (ushort*)matrix.Data + start;
            for (; k + TLanes.Count <= matrix.Columns; k += TLanes.Count)
                TLanes.Store(TLanes.LoadBFloat16(from + k), to + k);
            for (; k < matrix.Columns; k++)
                to[k] = Q8.Scale(from[k]);
        }
        else
        {
            RestoreQ8((sbyte*)matrix.Data + start, matrix.Scales + ((long)row * Q8.Blocks(matrix.Columns)), matrix.Columns, to);
        }
    }

    private static void RestoreQ8(sbyte* from, ushort* scales, int columns, float* to)
    {
        for (int start = 0; start < columns; start += Q8.Block, scales++)
        {
            var scale = TLanes.BroadcastBFloat16(*scales);
            int k = start, end = Math.Min(start + Q8.Block, columns);
            for (; k + TLanes.Count <= end; k += TLanes.Count)
                TLanes.Store(TLanes.Multiply(TLanes.LoadInt8(from + k), scale), to + k);
            for (; k < end; k++)
                to[k] = from[k] * Q8.Scale(*scales);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PrefetchLines(byte* from, int bytes)
    {
        const int Line = 64;
        for (int offset = 0; offset < bytes; offset += Line)
            TLanes.Prefetch(from + Ahead + offset);
    }

    private static float Rest(float* w, float* x, int from, int columns, float sum)
    {
        for (int k = from; k < columns; k++)
            sum += w[k] * x[k];
        return sum;
    }
}
