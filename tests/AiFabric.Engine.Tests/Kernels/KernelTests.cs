using AiFabric.Engine.Kernels;
using AiFabric.Engine.Weights;
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
        Gen.Select(Gen.Int[1, 100], Gen.Int[1, 5], Gen.Bool).Sample((width, rows, adds) =>
        {
            using var pool = new KernelPool(1);
            using var matrices = new TestMatrices(width);
            float[] x = matrices.Random(rows * width), weight = matrices.Random(width), result = matrices.Random(rows * width), before = [.. result];
            fixed (float* input = x, w = weight, y = result)
                Set(bits).Norm(pool, input, w, y, rows, width, 1e-5f, adds);
            for (int row = 0; row < rows; row++)
            {
                double mean = x.Skip(row * width).Take(width).Average(v => (double)v * v);
                for (int i = row * width; i < (row + 1) * width; i++)
                    Assert.Equal((adds ? before[i] : 0) + (x[i] / Math.Sqrt(mean + 1e-5) * weight[i % width]), result[i], 1e-5);
            }
        }, iter: 60, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Gated_activations_equal_their_formulas(int bits)
    {
        Gen.Select(Gen.Int[1, 100], Gen.Int[1, 5], Gen.Enum<Activation>()).Sample((width, rows, activation) =>
        {
            using var pool = new KernelPool(1);
            using var matrices = new TestMatrices(width);
            float[] gate = [.. matrices.Random(rows * width).Select(v => 6 * v)], up = matrices.Random(rows * width), result = [.. gate];
            fixed (float* g = result, u = up)
                Set(bits).Gated(pool, activation, g, u, rows, width);
            for (int i = 0; i < gate.Length; i++)
                Assert.Equal(Activated(activation, gate[i]) * up[i], result[i], 1e-5);
        }, iter: 60, threads: 1);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Biases_and_caps_equal_their_formulas(int bits)
    {
        Gen.Select(Gen.Int[1, 100], Gen.Int[1, 5]).Sample((width, rows) =>
        {
            using var pool = new KernelPool(1);
            using var matrices = new TestMatrices(width);
            float[] x = [.. matrices.Random(rows * width).Select(v => 100 * v * v * v)], bias = matrices.Random(width), biased = [.. x], capped = [.. x];
            fixed (float* b = bias, y = biased, z = capped)
            {
                Set(bits).AddBias(pool, y, b, rows, width);
                Set(bits).SoftCap(pool, z, rows, width, 30);
            }
            for (int i = 0; i < x.Length; i++)
            {
                Assert.Equal(x[i] + bias[i % width], biased[i]);
                Assert.Equal(30 * Math.Tanh(x[i] / 30.0), capped[i], 2e-5);
            }
        }, iter: 60, threads: 1);
    }

    private static double Activated(Activation activation, double x) => activation == Activation.Silu
        ? x / (1 + Math.Exp(-x))
        : 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

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
