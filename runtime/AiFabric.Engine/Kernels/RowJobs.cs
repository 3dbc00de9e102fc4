using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>Root-mean-square norm of rows: x / √(mean(x²) + ε) · weight, which may take x's place or be added to what is there.</summary>
internal readonly unsafe struct NormJob<TLanes, TVector>(float* x, float* weight, float* output, int width, float epsilon, bool adds) : IKernelJob
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
        {
            var v = TLanes.Multiply(TLanes.Multiply(TLanes.Load(row + k), factors), TLanes.Load(weight + k));
            TLanes.Store(adds ? TLanes.Add(TLanes.Load(to + k), v) : v, to + k);
        }
        for (; k < width; k++)
            to[k] = (adds ? to[k] : 0) + (row[k] * factor * weight[k]);
    }
}

/// <summary>Adds one row, a bias, to all.</summary>
internal readonly unsafe struct BiasJob<TLanes, TVector>(float* x, float* bias, int width) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int piece, float* scratch)
    {
        float* row = x + (piece * (long)width);
        int k = 0;
        for (; k + TLanes.Count <= width; k += TLanes.Count)
            TLanes.Store(TLanes.Add(TLanes.Load(row + k), TLanes.Load(bias + k)), row + k);
        for (; k < width; k++)
            row[k] += bias[k];
    }
}

/// <summary>Multiplies all rows by one.</summary>
internal readonly unsafe struct ScaleJob<TLanes, TVector>(float* x, float* factors, int width) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int piece, float* scratch)
    {
        float* row = x + (piece * (long)width);
        int k = 0;
        for (; k + TLanes.Count <= width; k += TLanes.Count)
            TLanes.Store(TLanes.Multiply(TLanes.Load(row + k), TLanes.Load(factors + k)), row + k);
        for (; k < width; k++)
            row[k] *= factors[k];
    }
}

/// <summary>cap · tanh(x / cap) in place.</summary>
internal readonly unsafe struct SoftCapJob<TLanes, TVector>(float* x, int width, float cap) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    public void Run(int piece, float* scratch) => Apply(x + (piece * (long)width), width, cap);

    // tanh y is 1 − 2 / (e^2y + 1), which no large y leads astray.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(float* x, int count, float cap)
    {
        var (caps, steep, one, fall) = (TLanes.Broadcast(cap), TLanes.Broadcast(2 / cap), TLanes.Broadcast(1), TLanes.Broadcast(-2 * cap));
        int k = 0;
        for (; k + TLanes.Count <= count; k += TLanes.Count)
        {
            var e = TLanes.Exp(TLanes.Multiply(TLanes.Load(x + k), steep));
            TLanes.Store(TLanes.Add(caps, TLanes.Divide(fall, TLanes.Add(e, one))), x + k);
        }
        for (; k < count; k++)
            x[k] = cap * MathF.Tanh(x[k] / cap);
    }
}

/// <summary>
/// The MLP's product, gate · σ(gate · (linear + cubic · gate²)) · up, into gate: SiLU with 1 and 0, GELU by tanh with its two numbers.
/// </summary>
internal readonly unsafe struct GatedJob<TLanes, TVector>(float* gate, float* up, int width, float linear, float cubic) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int piece, float* scratch)
    {
        float* g = gate + (piece * (long)width), u = up + (piece * (long)width);
        var (one, minusLinear, minusCubic) = (TLanes.Broadcast(1), TLanes.Broadcast(-linear), TLanes.Broadcast(-cubic));
        int k = 0;
        for (; k + TLanes.Count <= width; k += TLanes.Count)
        {
            var v = TLanes.Load(g + k);
            var minus = TLanes.Multiply(v, TLanes.MultiplyAdd(TLanes.Multiply(v, v), minusCubic, minusLinear));
            var activated = TLanes.Divide(v, TLanes.Add(one, TLanes.Exp(minus)));
            TLanes.Store(TLanes.Multiply(activated, TLanes.Load(u + k)), g + k);
        }
        for (; k < width; k++)
            g[k] = g[k] / (1 + MathF.Exp(-g[k] * (linear + (cubic * g[k] * g[k])))) * u[k];
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
        float* v = a.Values + (piece * (long)keyWidth);
        if (a.Cached == CacheFormat.BFloat16)
            Keep<StoredBFloat16>(k, v, a.Slots[piece]);
        else
            Keep<StoredFloat32>(k, v, a.Slots[piece]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Keep<TStored>(float* keys, float* values, int slot)
        where TStored : struct, IStored
    {
        int block = slot / a.BlockSize, at = slot % a.BlockSize;
        for (int head = 0; head < a.KeyHeads; head++, keys += a.HeadSize, values += a.HeadSize)
        {
            long place = ((((block * (long)a.KeyHeads) + head) * a.BlockSize) + at) * a.HeadSize * TStored.Bytes;
            void* toKeys = (byte*)a.CachedKeys + place, toValues = (byte*)a.CachedValues + place;
            int i = 0;
            for (; i + TLanes.Count <= a.HeadSize; i += TLanes.Count)
            {
                TStored.Store<TLanes, TVector>(TLanes.Load(keys + i), toKeys, i);
                TStored.Store<TLanes, TVector>(TLanes.Load(values + i), toValues, i);
            }
            for (; i < a.HeadSize; i++)
            {
                TStored.Put(keys[i], toKeys, i);
                TStored.Put(values[i], toValues, i);
            }
        }
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

    /// <summary>[blocks, keyHeads, blockSize, headSize] in the format of <see cref="Cached"/>.</summary>
    public void* CachedKeys;

    /// <summary>[blocks, keyHeads, blockSize, headSize] in the format of <see cref="Cached"/>.</summary>
    public void* CachedValues;

    public CacheFormat Cached;

    /// <summary>Slots of a block.</summary>
    public int BlockSize;

    /// <summary>The first rows, which have slots.</summary>
    public int StoredRows;

    public int Heads;
    public int KeyHeads;
    public int HeadSize;
}
