namespace AiFabric.Engine.Kernels;

/// <summary>
/// Products of all rows of an input with up to three matrices. A piece is a stripe of rows of one matrix: the stripe stays in the core's
/// cache while all rows of the input pass over it, restored to Float32 once where more than a few do.
/// </summary>
internal unsafe struct MultiplyJob<TLanes, TVector> : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    private const int Stripe = 32;
    private const int TileRows = 4;

    /// <summary>Rows of the input in one turn: with 2,048 columns 512 KiB, half of a core's second-level cache.</summary>
    private const int InputRows = 64;

    /// <summary>Fewer rows read narrow weights as they are; the reading is then most of the work.</summary>
    private const int RestoreFrom = 4;

    private readonly float* x;
    private readonly int rows;
    private readonly float scale;
    private readonly bool adds;
    private Products products;

    /// <param name="products">What to compute.</param>
    /// <param name="x">[rows, columns].</param>
    /// <param name="rows">Rows of the input.</param>
    /// <param name="scale">Factor on the products.</param>
    /// <param name="adds">Whether outputs are added to.</param>
    public MultiplyJob(ReadOnlySpan<Product> products, float* x, int rows, float scale, bool adds)
    {
        this.x = x;
        (this.rows, this.scale, this.adds) = (rows, scale, adds);
        for (int i = 0; i < products.Length; i++)
        {
            this.products[i] = products[i];
            Pieces += StripesOf(products[i]);
            Multiplications += (long)products[i].Matrix.Rows * products[i].Matrix.Columns * rows;
        }
        ScratchFloats = Stripe * (long)products[0].Matrix.Columns;
    }

    public int Pieces { get; }

    public long Multiplications { get; }

    public long ScratchFloats { get; }

    public readonly void Run(int piece, float* scratch)
    {
        int index = 0;
        while (piece >= StripesOf(products[index]))
            piece -= StripesOf(products[index++]);
        var product = products[index];
        int end = Math.Min((piece + 1) * Stripe, product.Matrix.Rows);
        Run(product, piece * Stripe, end, scratch);
    }

    private static int StripesOf(in Product product) => (product.Matrix.Rows + Stripe - 1) / Stripe;

    private readonly void Run(in Product product, int start, int end, float* scratch)
    {
        var matrix = product.Matrix;
        // A short last stripe begins earlier, so that there are enough rows for a tile; what is computed twice is written once.
        int first = Math.Max(0, Math.Min(start, end - TileRows));
        if (end - first < TileRows)
        {
            Few(product, end, scratch);
        }
        else if (matrix.Format != WeightFormat.Float32 && (rows >= RestoreFrom || (matrix.Format == WeightFormat.Q8 && matrix.Columns % Q8.Block != 0)))
        {
            for (int row = first; row < end; row++)
                MatrixTiles<TLanes, TVector>.Restore(matrix, row, scratch + ((row - first) * (long)matrix.Columns));
            Wide(product, scratch, first, start, end);
        }
        else if (matrix.Format == WeightFormat.Float32)
        {
            Wide(product, (float*)matrix.Data + (first * (long)matrix.Columns), first, start, end);
        }
        else
        {
            Narrow(product, first, start, end);
        }
    }

    /// <summary>Float32 rows, in the matrix or restored.</summary>
    private readonly void Wide(in Product product, float* w, int first, int start, int end)
    {
        int columns = product.Matrix.Columns;
        float* sums = stackalloc float[TileRows * TileRows];
        for (int from = 0; from < rows; from += InputRows)
        {
            int to = Math.Min(from + InputRows, rows);
            for (int row = first; row < end; row += TileRows)
            {
                int tile = Math.Min(row, end - TileRows);
                float* tileRows = w + ((tile - first) * (long)columns);
                int i = from;
                for (; i + TileRows <= to; i += TileRows)
                {
                    MatrixTiles<TLanes, TVector>.Four(tileRows, columns, x + (i * (long)columns), columns, columns, sums);
                    for (int j = 0; j < TileRows; j++)
                        Store(product, sums + (j * TileRows), i + j, tile, Math.Max(row, start));
                }
                for (; i < to; i++)
                {
                    MatrixTiles<TLanes, TVector>.One(tileRows, columns, x + (i * (long)columns), columns, sums);
                    Store(product, sums, i, tile, Math.Max(row, start));
                }
            }
        }
    }

    /// <summary>Narrow rows, read as they are.</summary>
    private readonly void Narrow(in Product product, int first, int start, int end)
    {
        var matrix = product.Matrix;
        int columns = matrix.Columns;
        float* sums = stackalloc float[TileRows];
        for (int row = first; row < end; row += TileRows)
        {
            int tile = Math.Min(row, end - TileRows);
            long offset = tile * (long)columns;
            for (int i = 0; i < rows; i++)
            {
                float* input = x + (i * (long)columns);
                if (matrix.Format == WeightFormat.BFloat16)
                    MatrixTiles<TLanes, TVector>.One((ushort*)matrix.Data + offset, columns, input, columns, sums);
                else
                    MatrixTiles<TLanes, TVector>.One((sbyte*)matrix.Data + offset, matrix.Scales + (tile * (long)Q8.Blocks(columns)), columns, input, columns, sums);
                Store(product, sums, i, tile, Math.Max(row, start));
            }
        }
    }

    /// <summary>A matrix of fewer rows than a tile: an adapter of low rank.</summary>
    private readonly void Few(in Product product, int end, float* scratch)
    {
        int columns = product.Matrix.Columns;
        float* sums = stackalloc float[TileRows];
        for (int row = 0; row < end; row++)
        {
            MatrixTiles<TLanes, TVector>.Restore(product.Matrix, row, scratch);
            for (int i = 0; i < rows; i++)
            {
                // The same row four times: pitch 0.
                MatrixTiles<TLanes, TVector>.One(scratch, 0, x + (i * (long)columns), columns, sums);
                Put(product.Output + (i * (long)product.Matrix.Rows) + row, sums[0]);
            }
        }
    }

    private readonly void Store(in Product product, float* sums, int input, int tile, int from)
    {
        float* y = product.Output + (input * (long)product.Matrix.Rows);
        for (int row = from; row < tile + TileRows; row++)
            Put(y + row, sums[row - tile]);
    }

    private readonly void Put(float* y, float sum) => *y = adds ? *y + (scale * sum) : scale * sum;
}
