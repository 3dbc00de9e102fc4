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
