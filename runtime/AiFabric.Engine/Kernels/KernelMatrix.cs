namespace AiFabric.Engine.Kernels;

/// <summary>How a matrix lies in memory. Arithmetic is Float32 for all: narrow formats save memory and its bandwidth.</summary>
internal enum WeightFormat
{
    Float32,
    BFloat16,

    /// <summary>Signed bytes with shared scales, as <see cref="Kernels.Q8"/> lays them out.</summary>
    Q8,
}

/// <summary>A weight matrix [rows, columns] in unmanaged memory that somebody else owns: row by row, but for Q8.</summary>
/// <param name="format">Its numbers' format.</param>
/// <param name="data">The numbers.</param>
/// <param name="rows">Outputs of the layer.</param>
/// <param name="columns">Inputs of the layer.</param>
internal readonly unsafe struct KernelMatrix(WeightFormat format, void* data, int rows, int columns)
{
    public WeightFormat Format { get; } = format;

    public void* Data { get; } = data;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;
}
