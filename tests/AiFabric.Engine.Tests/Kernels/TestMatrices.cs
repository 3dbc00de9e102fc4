using AiFabric.Engine.Kernels;

namespace AiFabric.Engine.Tests.Kernels;

/// <summary>Random matrices in unmanaged memory, freed with this.</summary>
internal sealed unsafe class TestMatrices(int seed) : IDisposable
{
    private readonly Random random = new(seed);
    private readonly List<NativeBuffer> buffers = [];

    public float[] Random(int count)
    {
        var values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = (random.NextSingle() * 2) - 1;
        return values;
    }

    public KernelMatrix Make(WeightFormat format, int rows, int columns)
    {
        float[] values = Random(rows * columns);
        var data = format == WeightFormat.Q8 ? Q8.Allocate(rows, columns) : new NativeBuffer(values.Length * sizeof(float));
        buffers.Add(data);
        for (int row = 0; row < rows; row++)
        {
            var line = values.AsSpan(row * columns, columns);
            if (format == WeightFormat.Q8)
            {
                Q8.Quantize(line, data.Data, row);
                continue;
            }
            for (int i = 0; i < columns; i++)
            {
                if (format == WeightFormat.Float32)
                    ((float*)data.Data)[(row * columns) + i] = line[i];
                else
                    ((ushort*)data.Data)[(row * columns) + i] = (ushort)(BitConverter.SingleToUInt32Bits(line[i]) >> 16);
            }
        }
        return new KernelMatrix(format, data.Data, rows, columns);
    }

    /// <summary>The numbers that a matrix stands for, row by row.</summary>
    public static double[] Values(KernelMatrix matrix)
    {
        var values = new double[matrix.Rows * matrix.Columns];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = matrix.Format switch
            {
                WeightFormat.Float32 => ((float*)matrix.Data)[i],
                WeightFormat.BFloat16 => BitConverter.UInt32BitsToSingle((uint)((ushort*)matrix.Data)[i] << 16),
                _ => Quantized(matrix, i / matrix.Columns, i % matrix.Columns),
            };
        }
        return values;
    }

    public void Dispose()
    {
        foreach (var buffer in buffers)
            buffer.Dispose();
    }

    // The layout written down a second time: 16 rows, then 32 columns; 16 scales, then pairs of columns.
    private static double Quantized(KernelMatrix matrix, int row, int column)
    {
        byte* block = (byte*)matrix.Data + (((row / 16 * ((matrix.Columns + 31) / 32)) + (column / 32)) * 544L);
        float scale = BitConverter.UInt32BitsToSingle((uint)((ushort*)block)[row % 16] << 16);
        return ((sbyte*)block)[32 + (column % 32 / 2 * 32) + (row % 16 * 2) + (column % 2)] * (double)scale;
    }
}
