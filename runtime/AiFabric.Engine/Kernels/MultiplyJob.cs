using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace AiFabric.Engine.Kernels;

/// <summary>
/// Products of all rows of an input with up to three matrices of Float32 or BFloat16. A piece is a stripe of rows of one matrix: the stripe
/// stays in the core's cache while all rows of the input pass over it, restored to Float32 once where there are many.
/// </summary>
internal unsafe struct MultiplyJob<TLanes, TVector> : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Bytes of inputs in one turn, so that they stay in half of a core's second-level cache while a stripe's rows pass over them.</summary>
    private const int InputBytes = 192 << 10;

    private const int TileRows = MatrixTiles<TLanes, TVector>.Rows;

    /// <summary>Rows of a piece, whole tiles: half as many where there are too few inputs to make up for threads that wait at the end.</summary>
    private const int Stripe = 16 * TileRows;

    /// <summary>From so many inputs on rows of BFloat16 are restored once for all of them, and the reading of memory no longer counts.</summary>
    private const int Many = 128;

    private readonly float* x;
    private readonly int rows;
    private readonly float scale;
    private readonly bool adds;
    private Stripes stripes;

    /// <param name="products">What to compute.</param>
    /// <param name="x">[rows, columns].</param>
    /// <param name="rows">Rows of the input.</param>
    /// <param name="scale">Factor on the products.</param>
    /// <param name="adds">Whether outputs are added to.</param>
    public MultiplyJob(ReadOnlySpan<Product> products, float* x, int rows, float scale, bool adds)
    {
        this.x = x;
        (this.rows, this.scale, this.adds) = (rows, scale, adds);
        stripes = new Stripes(products, rows < Stripe ? Stripe / 2 : Stripe);
        ScratchFloats = rows < Many ? 0 : Stripe * (long)products[0].Matrix.Columns;
    }

    public readonly int Pieces => stripes.Count;

    public long ScratchFloats { get; }

    public readonly void Run(int piece, float* scratch)
    {
        var product = stripes.At(piece, out int start, out int end);
        var matrix = product.Matrix;
        // A short last stripe begins earlier, so that there are enough rows for a tile; what is computed twice is written once.
        int first = Math.Max(0, Math.Min(start, end - TileRows));
        long offset = first * (long)matrix.Columns;
        if (rows == 1 || end - first < TileRows)
            Rows(product, start, end);
        else if (matrix.Format == WeightFormat.Float32 && rows < Many)
            Tiles<StoredFloat32, InMemory>(product, (float*)matrix.Data + offset, first, start, end);
        else if (matrix.Format == WeightFormat.Float32)
            Tiles<StoredFloat32, InCache>(product, (float*)matrix.Data + offset, first, start, end);
        else if (rows < Many)
            Tiles<StoredBFloat16, InMemory>(product, (ushort*)matrix.Data + offset, first, start, end);
        else
            Tiles<StoredFloat32, InCache>(product, Restored(matrix, first, end, scratch), first, start, end);
    }

    private static float* Restored(in KernelMatrix matrix, int first, int end, float* to)
    {
        for (int row = first; row < end; row++)
            MatrixTiles<TLanes, TVector>.Restore(matrix, row, to + ((row - first) * (long)matrix.Columns));
        return to;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Tiles<TStored, TSource>(in Product product, void* w, int first, int start, int end)
        where TStored : struct, IStored
        where TSource : struct, IRowSource
    {
        int inputs = MatrixTiles<TLanes, TVector>.Inputs, columns = product.Matrix.Columns;
        int turn = Math.Max(inputs, InputBytes / (columns * sizeof(float)) / inputs * inputs);
        float* sums = stackalloc float[inputs * TileRows];
        for (int from = 0; from < rows; from += turn)
        {
            int to = Math.Min(from + turn, rows);
            for (int row = start; row < end; row += TileRows)
            {
                int tile = Math.Max(first, Math.Min(row, end - TileRows));
                void* tileRows = (byte*)w + ((tile - first) * (long)columns * TStored.Bytes);
                for (int i = from; i < to; i += inputs)
                {
                    int count = Math.Min(inputs, to - i);
                    MatrixTiles<TLanes, TVector>.Tile<TStored, TSource>(tileRows, columns, x + (i * (long)columns), columns, columns, sums, TileRows, count);
                    for (int j = 0; j < count; j++)
                        Store(product, sums + (j * TileRows), i + j, tile, row);
                }
            }
        }
    }

    /// <summary>Row by row as they are stored: for one input, or a matrix of fewer rows than a tile such as an adapter of low rank.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Rows(in Product product, int start, int end)
    {
        int columns = product.Matrix.Columns, row = start;
        float* sums = stackalloc float[TileRows];
        for (; rows == 1 && product.Matrix.Format == WeightFormat.BFloat16 && row + 1 < end; row += 2)
        {
            ushort* w = (ushort*)product.Matrix.Data + (row * (long)columns);
            MatrixTiles<TLanes, TVector>.Pair<StoredBFloat16>(w, w + columns, x, columns, sums);
            Put(product.Output + row, sums[0]);
            Put(product.Output + row + 1, sums[1]);
        }
        for (; row < end; row++)
        {
            long offset = row * (long)columns;
            for (int input = 0; input < rows; input++)
            {
                float* vector = x + (input * (long)columns);
                Put(product.Output + (input * (long)product.Matrix.Rows) + row, product.Matrix.Format == WeightFormat.Float32
                    ? MatrixTiles<TLanes, TVector>.Row<StoredFloat32>((float*)product.Matrix.Data + offset, vector, columns)
                    : MatrixTiles<TLanes, TVector>.Row<StoredBFloat16>((ushort*)product.Matrix.Data + offset, vector, columns));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Store(in Product product, float* sums, int input, int tile, int from)
    {
        float* y = product.Output + (input * (long)product.Matrix.Rows) + tile;
        if (from == tile)
        {
            var scaled = Vector128.Load(sums) * scale;
            (adds ? Vector128.Load(y) + scaled : scaled).Store(y);
            return;
        }
        for (int row = from - tile; row < TileRows; row++)
            Put(y + row, sums[row]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly void Put(float* y, float sum) => *y = adds ? *y + (scale * sum) : scale * sum;
}
