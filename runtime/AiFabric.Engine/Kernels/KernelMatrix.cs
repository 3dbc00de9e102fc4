namespace AiFabric.Engine.Kernels;

/// <summary>How a matrix lies in memory. Arithmetic is Float32 for all: narrow formats save memory and its bandwidth.</summary>
internal enum WeightFormat
{
    Float32,
    BFloat16,

    /// <summary>Signed bytes, with one scale for each <see cref="Q8.Block"/> numbers of a row.</summary>
    Q8,
}

/// <summary>A weight matrix [rows, columns] in unmanaged memory that somebody else owns, row by row.</summary>
/// <param name="format">Its numbers' format.</param>
/// <param name="data">The numbers.</param>
/// <param name="scales">[rows, blocks of a row] BFloat16, for Q8 alone.</param>
/// <param name="rows">Outputs of the layer.</param>
/// <param name="columns">Inputs of the layer.</param>
internal readonly unsafe struct KernelMatrix(WeightFormat format, void* data, ushort* scales, int rows, int columns)
{
    public WeightFormat Format { get; } = format;

    public void* Data { get; } = data;

    public ushort* Scales { get; } = scales;

    public int Rows { get; } = rows;

    public int Columns { get; } = columns;
}
