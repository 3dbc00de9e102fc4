using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>Rows of Float32 as <see cref="Q8Inputs"/>. A piece is a row.</summary>
/// <param name="x">[rows, columns].</param>
/// <param name="columns">Of a row.</param>
/// <param name="to">Where they go.</param>
internal readonly unsafe struct RoundJob<TLanes, TVector>(float* x, int columns, Q8Inputs to) : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    private const float Largest = short.MaxValue;

    public void Run(int piece, float* scratch)
    {
        float* row = x + (piece * (long)columns), scales = to.Scales(piece);
        short* numbers = to.Numbers(piece);
        int whole = columns / Q8.Block;
        for (int block = 0; block < whole; block++)
            scales[block] = Round(row + (block * Q8.Block), numbers + (block * Q8.Block));
        if (whole == to.Blocks)
            return;
        float* last = stackalloc float[Q8.Block];
        new Span<float>(last, Q8.Block).Clear();
        new ReadOnlySpan<float>(row + (whole * Q8.Block), columns - (whole * Q8.Block)).CopyTo(new Span<float>(last, Q8.Block));
        scales[whole] = Round(last, numbers + (whole * Q8.Block));
    }

    // Numbers that are not finite make the scale so too, and with it every product.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Round(float* from, short* to)
    {
        var most = TLanes.Zero;
        for (int i = 0; i < Q8.Block; i += TLanes.Count)
            most = TLanes.Max(most, TLanes.Max(TLanes.Load(from + i), TLanes.Multiply(TLanes.Load(from + i), TLanes.Broadcast(-1))));
        float largest = TLanes.Largest(most);
        var factor = TLanes.Broadcast(largest == 0 ? 0 : Largest / largest);
        for (int i = 0; i < Q8.Block; i += TLanes.Count)
            TLanes.StoreInt16(TLanes.Multiply(TLanes.Load(from + i), factor), to + i);
        return largest / Largest;
    }
}

/// <summary>Products of all rows of an input with up to three matrices in 8 bits. A piece is a stripe of rows of one matrix.</summary>
internal unsafe struct Q8Job<TLanes, TVector> : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of a piece: whole groups, and for the widest vectors whole tiles.</summary>
    private const int Stripe = 2 * Q8.Group;

    /// <summary>Bytes of inputs in one turn: a part of a core's second-level cache.</summary>
    private const int InputBytes = 128 << 10;

    private readonly Q8Inputs x;
    private readonly int rows;
    private readonly float scale;
    private readonly bool adds;
    private Stripes stripes;

    /// <param name="products">What to compute.</param>
    /// <param name="x">The input, rounded.</param>
    /// <param name="rows">Rows of the input.</param>
    /// <param name="scale">Factor on the products.</param>
    /// <param name="adds">Whether outputs are added to.</param>
    public Q8Job(ReadOnlySpan<Product> products, Q8Inputs x, int rows, float scale, bool adds)
    {
        (this.x, this.rows, this.scale, this.adds) = (x, rows, scale, adds);
        stripes = new Stripes(products, Stripe);
    }

    public readonly int Pieces => stripes.Count;

    public readonly void Run(int piece, float* scratch)
    {
        const int Inputs = Q8Tiles<TLanes, TVector>.Inputs;
        var product = stripes.At(piece, out int start, out int end);
        int turn = Math.Max(Inputs, InputBytes / (x.Blocks * Q8.Block * sizeof(short)) / Inputs * Inputs);
        // A single input costs less by itself than in a tile that is full otherwise.
        int tiled = rows % Inputs == 1 ? rows - 1 : rows;
        for (int from = 0; from < tiled; from += turn)
            Tiles(product, start, end, from, Math.Min(from + turn, tiled));
        for (int input = tiled; input < rows; input++)
            Groups(product, start, end, input);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Tiles(in Product product, int start, int end, int from, int to)
    {
        const int Inputs = Q8Tiles<TLanes, TVector>.Inputs, Vectors = Q8Tiles<TLanes, TVector>.Vectors;
        int tileRows = Vectors * TLanes.Count;
        float* sums = stackalloc float[Inputs * tileRows];
        for (int row = start; row < end; row += tileRows)
        {
            // The widest vectors hold a group each; where the second group is missing the first stands in and is not stored.
            int second = row + TLanes.Count < end ? row + TLanes.Count : row;
            byte* w = Q8.RowIn(product.Matrix.Data, row, product.Matrix.Columns), v = Q8.RowIn(product.Matrix.Data, second, product.Matrix.Columns);
            int count = Math.Min(tileRows, end - row);
            for (int input = from; input < to; input += Inputs)
            {
                int inputs = Math.Min(Inputs, to - input);
                Q8Tiles<TLanes, TVector>.Four(w, v, x, input, inputs, sums);
                for (int j = 0; j < inputs; j++)
                    Store(product, sums + (j * tileRows), input + j, row, count);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Groups(in Product product, int start, int end, int input)
    {
        float* sums = stackalloc float[Q8.Group];
        for (int row = start; row < end; row += Q8.Group)
        {
            Q8Tiles<TLanes, TVector>.Group(Q8.RowIn(product.Matrix.Data, row, product.Matrix.Columns), x, input, sums);
            Store(product, sums, input, row, Math.Min(Q8.Group, end - row));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Store(in Product product, float* sums, int input, int row, int count)
    {
        float* y = product.Output + (input * (long)product.Matrix.Rows) + row;
        var factor = TLanes.Broadcast(scale);
        int i = 0;
        for (; i + TLanes.Count <= count; i += TLanes.Count)
        {
            var scaled = TLanes.Multiply(TLanes.Load(sums + i), factor);
            TLanes.Store(adds ? TLanes.Add(TLanes.Load(y + i), scaled) : scaled, y + i);
        }
        for (; i < count; i++)
            y[i] = adds ? y[i] + (scale * sums[i]) : scale * sums[i];
    }
}
