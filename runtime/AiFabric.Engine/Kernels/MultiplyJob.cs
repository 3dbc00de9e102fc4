namespace AiFabric.Engine.Kernels;

/// <summary>
/// Products of all rows of an input with up to three matrices of Float32 or BFloat16. A piece is a stripe of rows of one matrix: the stripe
/// stays in the core's cache while all rows of the input pass over it, restored to Float32 once where more than a few do.
/// </summary>
internal unsafe struct MultiplyJob<TLanes, TVector> : IKernelJob
    where TLanes : struct, ILanes<TVector>
    where TVector : unmanaged
{
    /// <summary>Bytes of inputs in one turn, so that they stay in half of a core's second-level cache while a stripe's rows pass over them.</summary>
    private const int InputBytes = 192 << 10;

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
        // Whole tiles of rows.
        int stripe = 8 * TileRows;
        stripes = new Stripes(products, stripe);
        ScratchFloats = stripe * (long)products[0].Matrix.Columns;
    }

    public readonly int Pieces => stripes.Count;

    public long ScratchFloats { get; }

    private static int TileRows => MatrixTiles<TLanes, TVector>.Rows;

    public readonly void Run(int piece, float* scratch)
    {
        var product = stripes.At(piece, out int start, out int end);
        var matrix = product.Matrix;
        // A short last stripe begins earlier, so that there are enough rows for a tile; what is computed twice is written once.
        int first = Math.Max(0, Math.Min(start, end - TileRows));
        if (rows < MatrixTiles<TLanes, TVector>.Inputs || end - first < TileRows)
        {
            Rows(product, start, end);
        }
        else if (matrix.Format == WeightFormat.Float32)
        {
            Wide(product, (float*)matrix.Data + (first * (long)matrix.Columns), first, start, end);
        }
        else
        {
            for (int row = first; row < end; row++)
                MatrixTiles<TLanes, TVector>.Restore(matrix, row, scratch + ((row - first) * (long)matrix.Columns));
            Wide(product, scratch, first, start, end);
        }
    }

    /// <summary>Float32 rows, in the matrix or restored.</summary>
    private readonly void Wide(in Product product, float* w, int first, int start, int end)
    {
        const int Inputs = MatrixTiles<TLanes, TVector>.Inputs;
        int columns = product.Matrix.Columns, turn = Math.Max(Inputs, InputBytes / (columns * sizeof(float)) / Inputs * Inputs);
        float* sums = stackalloc float[Inputs * Inputs];
        for (int from = 0; from < rows; from += turn)
        {
            int to = Math.Min(from + turn, rows);
            for (int row = start; row < end; row += TileRows)
            {
                int tile = Math.Max(first, Math.Min(row, end - TileRows));
                float* tileRows = w + ((tile - first) * (long)columns);
                int i = from;
                for (; i + Inputs <= to; i += Inputs)
                {
                    MatrixTiles<TLanes, TVector>.Tile(tileRows, columns, x + (i * (long)columns), columns, columns, sums, Inputs);
                    for (int j = 0; j < Inputs; j++)
                        Store(product, sums + j, Inputs, i + j, tile, row);
                }
                for (; i < to; i++)
                {
                    MatrixTiles<TLanes, TVector>.Column(tileRows, columns, x + (i * (long)columns), columns, sums);
                    Store(product, sums, 1, i, tile, row);
                }
            }
        }
    }

    /// <summary>Row by row as they are stored: for few inputs, or a matrix of fewer rows than a tile such as an adapter of low rank.</summary>
    private readonly void Rows(in Product product, int start, int end)
    {
        const int Most = 3;
        int columns = product.Matrix.Columns, row = start;
        float* sums = stackalloc float[Most + 1];
        for (; rows == 1 && product.Matrix.Format == WeightFormat.BFloat16 && row + 1 < end; row += 2)
        {
            ushort* w = (ushort*)product.Matrix.Data + (row * (long)columns);
            MatrixTiles<TLanes, TVector>.Pair<StoredBFloat16>(w, w + columns, x, columns, sums);
            Put(product.Output + row, sums[0]);
            Put(product.Output + row + 1, sums[1]);
        }
        for (; row < end; row++)
        {
            for (int input = 0; input < rows; input += Most)
            {
                int count = Math.Min(Most, rows - input);
                long offset = row * (long)columns;
                float* inputs = x + (input * (long)columns);
                if (product.Matrix.Format == WeightFormat.Float32)
                    MatrixTiles<TLanes, TVector>.Row<StoredFloat32>((float*)product.Matrix.Data + offset, inputs, columns, count, columns, sums);
                else
                    MatrixTiles<TLanes, TVector>.Row<StoredBFloat16>((ushort*)product.Matrix.Data + offset, inputs, columns, count, columns, sums);
                for (int j = 0; j < count; j++)
                    Put(product.Output + ((input + j) * (long)product.Matrix.Rows) + row, sums[j]);
            }
        }
    }

    private readonly void Store(in Product product, float* sums, int sumsPitch, int input, int tile, int from)
    {
        float* y = product.Output + (input * (long)product.Matrix.Rows);
        for (int row = from; row < tile + TileRows; row++)
            Put(y + row, sums[(row - tile) * sumsPitch]);
    }

    private readonly void Put(float* y, float sum) => *y = adds ? *y + (scale * sum) : scale * sum;
}
