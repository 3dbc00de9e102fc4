using AiFabric.Engine.Kernels;
using CsCheck;
using Xunit;

namespace AiFabric.Engine.Tests.Kernels;

/// <summary>Every kernel, in every width that this processor has, against the formula written down in Float64.</summary>
public sealed unsafe class KernelTests
{
    public static TheoryData<int> Widths => [.. KernelSet.Supported.Select(set => set.Bits)];

    [Theory]
    [MemberData(nameof(Widths))]
    public void Products_equal_the_formula_whatever_the_shape_and_format(int bits)
    {
        var shapes = Gen.Select(Gen.Int[1, 70], Gen.Int[1, 150], Gen.OneOf(Gen.Int[1, 9], Gen.Int[60, 70]), Gen.Enum<WeightFormat>(), Gen.Bool, Gen.Int[1, 3]);
        shapes.Sample((rows, columns, inputs, format, adds, threads) =>
        {
            using var pool = new KernelPool(threads);
            using var matrices = new TestMatrices(rows + columns);
            float[] x = matrices.Random(inputs * columns);
            KernelMatrix[] several = [matrices.Make(format, rows, columns), matrices.Make(format, 5, columns), matrices.Make(format, rows, columns)];
            float[][] results = [.. several.Select(matrix => matrices.Random(inputs * matrix.Rows))];
            float[][] before = [.. results.Select(result => result.ToArray())];

            fixed (float* input = x, y0 = results[0], y1 = results[1], y2 = results[2])
                Set(bits).Multiply(pool, [new Product(several[0], y0), new Product(several[1], y1), new Product(several[2], y2)], input, inputs, 0.5f, adds);

            for (int m = 0; m < several.Length; m++)
                ExpectProduct(several[m], x, before[m], results[m], adds);
        }, iter: 120, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void A_rows_product_has_the_same_bits_whatever_shares_its_batch(int bits)
    {
        using var pool = new KernelPool(2);
        using var matrices = new TestMatrices(3);
        const int Rows = 300, Columns = 256, Inputs = 70;
        float[] x = matrices.Random(Inputs * Columns);
        foreach (var format in Enum.GetValues<WeightFormat>())
        {
            var matrix = matrices.Make(format, Rows, Columns);
            float[] together = new float[Inputs * Rows], alone = new float[Inputs * Rows];
            fixed (float* input = x, all = together, one = alone)
            {
                Set(bits).Multiply(pool, [new Product(matrix, all)], input, Inputs);
                for (int i = 0; i < Inputs; i++)
                    Set(bits).Multiply(pool, [new Product(matrix, one + (i * Rows))], input + (i * Columns), 1);
            }
            Assert.Equal(together, alone);
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Norms_equal_the_formula(int bits)
    {
        Gen.Select(Gen.Int[1, 100], Gen.Int[1, 5]).Sample((width, rows) =>
        {
            using var pool = new KernelPool(1);
            using var matrices = new TestMatrices(width);
            float[] x = matrices.Random(rows * width), weight = matrices.Random(width), result = new float[rows * width];
            fixed (float* input = x, w = weight, y = result)
                Set(bits).Norm(pool, input, w, y, rows, width, 1e-5f);
            for (int row = 0; row < rows; row++)
            {
                double mean = x.Skip(row * width).Take(width).Average(v => (double)v * v);
                for (int i = 0; i < width; i++)
                    Assert.Equal(x[(row * width) + i] / Math.Sqrt(mean + 1e-5) * weight[i], result[(row * width) + i], 1e-5);
            }
        }, iter: 60, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Gated_silu_equals_the_formula(int bits)
    {
        Gen.Select(Gen.Int[1, 100], Gen.Int[1, 5]).Sample((width, rows) =>
        {
            using var pool = new KernelPool(1);
            using var matrices = new TestMatrices(width);
            float[] gate = matrices.Random(rows * width), up = matrices.Random(rows * width), result = gate.ToArray();
            fixed (float* g = result, u = up)
                Set(bits).GatedSilu(pool, g, u, rows, width);
            for (int i = 0; i < gate.Length; i++)
                Assert.Equal(gate[i] / (1 + Math.Exp(-gate[i])) * up[i], result[i], 1e-5);
        }, iter: 60, threads: 1);
    }

    private static KernelSet Set(int bits) => KernelSet.Supported.Single(set => set.Bits == bits);

    private static void ExpectProduct(KernelMatrix matrix, float[] x, float[] before, float[] result, bool adds)
    {
        double[] w = TestMatrices.Values(matrix);
        int columns = matrix.Columns, rows = matrix.Rows;
        // Inputs of 8-bit products are rounded to 16 bits: by up to 1.5e-5 of their block's largest.
        double tolerance = matrix.Format == WeightFormat.Q8 ? 4e-4 : 1e-4;
        for (int i = 0; i < result.Length; i++)
        {
            double expected = adds ? before[i] : 0;
            for (int k = 0; k < columns; k++)
                expected += 0.5 * w[(i % rows * columns) + k] * x[(i / rows * columns) + k];
            Assert.Equal(expected, result[i], tolerance);
        }
    }
}
