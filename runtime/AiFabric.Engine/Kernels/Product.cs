using System.Runtime.CompilerServices;

namespace AiFabric.Engine.Kernels;

/// <summary>y = x·Wᵀ for one matrix.</summary>
/// <param name="matrix">W [rows, columns].</param>
/// <param name="output">y [n, rows].</param>
internal readonly unsafe struct Product(KernelMatrix matrix, float* output)
{
    public KernelMatrix Matrix { get; } = matrix;

    public float* Output { get; } = output;
}

/// <summary>Several products of one input, computed together: query, key and value; gate and up.</summary>
[InlineArray(Capacity)]
internal struct Products
{
    public const int Capacity = 3;

    private Product first;
}

/// <summary>Up to <see cref="Products.Capacity"/> products cut into stripes of rows, which are a job's pieces.</summary>
internal struct Stripes
{
    private readonly int rows;
    private Products products;

    /// <param name="products">The products.</param>
    /// <param name="rows">Rows of a stripe.</param>
    public Stripes(ReadOnlySpan<Product> products, int rows)
    {
        this.rows = rows;
        for (int i = 0; i < products.Length; i++)
        {
            this.products[i] = products[i];
            Count += Of(products[i]);
        }
    }

    public int Count { get; }

    /// <summary>The product that a piece belongs to, and its rows there.</summary>
    public readonly Product At(int piece, out int start, out int end)
    {
        int index = 0;
        while (piece >= Of(products[index]))
            piece -= Of(products[index++]);
        (start, end) = (piece * rows, Math.Min((piece + 1) * rows, products[index].Matrix.Rows));
        return products[index];
    }

    private readonly int Of(in Product product) => (product.Matrix.Rows + rows - 1) / rows;
}
