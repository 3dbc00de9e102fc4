using AiFabric.Engine.Kernels;
using Xunit;

namespace AiFabric.Engine.Tests.Kernels;

public sealed unsafe class Q8Tests
{
    [Theory]
    [InlineData(16, 64)]
    [InlineData(21, 32)]
    [InlineData(5, 45)]
    [InlineData(33, 7)]
    public void Rows_are_quantized_as_the_formula_says_and_filled_up_with_zeros(int rows, int columns)
    {
        var random = new Random(rows);
        using var memory = Q8.Allocate(rows, columns);
        var restored = new float[columns];
        for (int row = 0; row < rows; row++)
        {
            float[] values = [.. Enumerable.Range(0, columns).Select(_ => row == 3 ? 0 : (random.NextSingle() - 0.5f) * MathF.Pow(10, random.Next(-3, 3)))];
            Q8.Quantize(values, memory.Data, row);
            fixed (float* to = restored)
                Q8.Restore(memory.Data, row, columns, to);

            Assert.Equal(Formula(values), restored);
            Assert.All(Filling(memory, row, columns), number => Assert.Equal(0, number));
        }
        for (int row = rows; row < Q8.Groups(rows) * Q8.Group; row++)
            Assert.All(Filling(memory, row, columns, first: 0), number => Assert.Equal(0, number));
    }

    private static float[] Formula(float[] values)
    {
        var result = new float[values.Length];
        for (int start = 0; start < values.Length; start += Q8.Block)
        {
            var part = values.AsSpan(start, Math.Min(Q8.Block, values.Length - start));
            float most = 0;
            foreach (float value in part)
                most = MathF.Max(most, MathF.Abs(value));
            // A BFloat16 rounded up.
            float scale = BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(most / 127) + 0xFFFF) >> 16 << 16);
            for (int i = 0; i < part.Length; i++)
                result[start + i] = scale == 0 ? 0 : MathF.Round(part[i] * (1 / scale)) * scale;
        }
        return result;
    }

    // The numbers of a row behind its columns.
    private static List<sbyte> Filling(NativeBuffer memory, int row, int columns, int? first = null)
    {
        byte* blocks = Q8.RowIn(memory.Data, row, columns);
        var numbers = new List<sbyte>();
        for (int column = first ?? columns; column < Q8.Blocks(columns) * Q8.Block; column++)
            numbers.Add(*(sbyte*)(blocks + (column / Q8.Block * Q8.BlockBytes) + Q8.ScaleBytes + (column % Q8.Block / 2 * Q8.PairBytes) + (column % 2)));
        return numbers;
    }
}
