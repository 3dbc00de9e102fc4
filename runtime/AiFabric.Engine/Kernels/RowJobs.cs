using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>Root-mean-square norm of rows: x / √(mean(x²) + ε) · weight.</summary>
internal readonly unsafe struct NormJob<TLanes, TVector>(float* x, float* weight, float* output, int width, float epsilon) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int piece, float* scratch)
    {
        float* row = x + (piece * (long)width), to = output + (piece * (long)width);
        int k = 0, whole = width - (width % TLanes.Count);
        var squares = TLanes.Zero;
        for (; k < whole; k += TLanes.Count)
        {
            var v = TLanes.Load(row + k);
            squares = TLanes.MultiplyAdd(v, v, squares);
        }
        float sum = TLanes.Sums(squares, TLanes.Zero, TLanes.Zero, TLanes.Zero)[0];
        for (; k < width; k++)
            sum += row[k] * row[k];
        float factor = 1 / MathF.Sqrt((sum / width) + epsilon);
        var factors = TLanes.Broadcast(factor);
        for (k = 0; k < whole; k += TLanes.Count)
            TLanes.Store(TLanes.Multiply(TLanes.Multiply(TLanes.Load(row + k), factors), TLanes.Load(weight + k)), to + k);
        for (; k < width; k++)
            to[k] = row[k] * factor * weight[k];
    }
}

/// <summary>SwiGLU's product, silu(gate) · up, into gate.</summary>
internal readonly unsafe struct GatedSiluJob<TLanes, TVector>(float* gate, float* up, int width) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int piece, float* scratch)
    {
        float* g = gate + (piece * (long)width), u = up + (piece * (long)width);
        var (one, minus) = (TLanes.Broadcast(1), TLanes.Broadcast(-1));
        int k = 0;
        for (; k + TLanes.Count <= width; k += TLanes.Count)
        {
            var v = TLanes.Load(g + k);
            var silu = TLanes.Divide(v, TLanes.Add(one, TLanes.Exp(TLanes.Multiply(v, minus))));
            TLanes.Store(TLanes.Multiply(silu, TLanes.Load(u + k)), g + k);
        }
        for (; k < width; k++)
            g[k] = g[k] / (1 + MathF.Exp(-g[k])) * u[k];
    }
}

/// <summary>
/// Turns the heads of a row's queries and keys by its position's angles (Hugging Face's half rotation), and stores keys and values of rows that
/// have a slot in the cache.
/// </summary>
internal readonly unsafe struct RotateJob<TLanes, TVector>(RotateArguments a) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    public void Run(int piece, float* scratch)
    {
        int half = a.HeadSize / 2, keyWidth = a.KeyHeads * a.HeadSize;
        float* cos = a.Cos + (a.Positions[piece] * (long)half), sin = a.Sin + (a.Positions[piece] * (long)half);
        float* q = a.Queries + (piece * (long)a.Heads * a.HeadSize), k = a.Keys + (piece * (long)keyWidth);
        for (int head = 0; head < a.Heads; head++)
            Rotate(q + (head * a.HeadSize), cos, sin, half);
        for (int head = 0; head < a.KeyHeads; head++)
            Rotate(k + (head * a.HeadSize), cos, sin, half);
        if (piece >= a.StoredRows)
            return;
        long slot = a.Slots[piece] * (long)keyWidth;
        new ReadOnlySpan<float>(k, keyWidth).CopyTo(new Span<float>(a.CachedKeys + slot, keyWidth));
        new ReadOnlySpan<float>(a.Values + (piece * (long)keyWidth), keyWidth).CopyTo(new Span<float>(a.CachedValues + slot, keyWidth));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rotate(float* head, float* cos, float* sin, int half)
    {
        int i = 0;
        var minus = TLanes.Broadcast(-1);
        for (; i + TLanes.Count <= half; i += TLanes.Count)
        {
            var (first, second) = (TLanes.Load(head + i), TLanes.Load(head + half + i));
            var (c, s) = (TLanes.Load(cos + i), TLanes.Load(sin + i));
            TLanes.Store(TLanes.MultiplyAdd(TLanes.Multiply(second, minus), s, TLanes.Multiply(first, c)), head + i);
            TLanes.Store(TLanes.MultiplyAdd(first, s, TLanes.Multiply(second, c)), head + half + i);
        }
        for (; i < half; i++)
        {
            float first = head[i], second = head[half + i];
            head[i] = (first * cos[i]) - (second * sin[i]);
            head[half + i] = (second * cos[i]) + (first * sin[i]);
        }
    }
}

/// <summary>What <see cref="RotateJob{TLanes, TVector}"/> works on.</summary>
internal unsafe struct RotateArguments
{
    /// <summary>[rows, heads, headSize].</summary>
    public float* Queries;

    /// <summary>[rows, keyHeads, headSize].</summary>
    public float* Keys;

    /// <summary>[rows, keyHeads, headSize].</summary>
    public float* Values;

    /// <summary>[positions, headSize / 2].</summary>
    public float* Cos;

    /// <summary>[positions, headSize / 2].</summary>
    public float* Sin;

    /// <summary>[rows].</summary>
    public int* Positions;

    /// <summary>[stored rows].</summary>
    public int* Slots;

    /// <summary>[slots, keyHeads, headSize].</summary>
    public float* CachedKeys;

    /// <summary>[slots, keyHeads, headSize].</summary>
    public float* CachedValues;

    /// <summary>The first rows, which have slots.</summary>
    public int StoredRows;

    public int Heads;
    public int KeyHeads;
    public int HeadSize;
}
