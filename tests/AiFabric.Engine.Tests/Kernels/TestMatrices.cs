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
        var data = Buffer(values.Length * sizeof(float));
        var scales = Buffer(rows * Q8.Blocks(columns) * sizeof(ushort));
        for (int row = 0; row < rows; row++)
        {
            var line = values.AsSpan(row * columns, columns);
            if (format == WeightFormat.Q8)
            {
                Q8.Quantize(line, (sbyte*)data.Data + (row * columns), (ushort*)scales.Data + (row * Q8.Blocks(columns)));
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
        return new KernelMatrix(format, data.Data, (ushort*)scales.Data, rows, columns);
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
                _ => ((sbyte*)matrix.Data)[i]
                    * (double)BitConverter.UInt32BitsToSingle((uint)matrix.Scales[(i / matrix.Columns * Q8.Blocks(matrix.Columns)) + (i % matrix.Columns / Q8.Block)] << 16),
            };
        }
        return values;
    }

    public void Dispose()
    {
        foreach (var buffer in buffers)
            buffer.Dispose();
    }

    private NativeBuffer Buffer(int bytes)
    {
        var buffer = new NativeBuffer(bytes);
        buffers.Add(buffer);
        return buffer;
    }
}
