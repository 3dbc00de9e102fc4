using AiFabric.Engine.Kernels;
using AiFabric.Engine.Tests.LlamaCpp.Interop;
using AiFabric.Engine.Weights;
using AiFabric.Engine.Weights.Gguf;
using Xunit;

namespace AiFabric.Engine.Tests.Weights.Gguf;

/// <summary>What is read from blocks against ggml's own functions, number by number.</summary>
public sealed class GgufFormatTests
{
    private const int Columns = 1024;
    private const int Rows = 64;

    public static TheoryData<uint> Types => [.. GgufFormat.All.Keys];

    public static TheoryData<uint> BlockTypes => [.. GgufFormat.All.Where(format => format.Value.Restore is not null).Select(format => format.Key)];

    [Theory]
    [MemberData(nameof(Types))]
    public void A_format_has_ggmls_name_and_size(uint type)
    {
        RequireGgml();
        var (format, traits) = (GgufFormat.All[type], GgmlApi.Traits(type));

        Assert.Equal(traits.Name, format.Name, ignoreCase: true);
        Assert.Equal(traits.BlockElements, format.BlockElements);
        Assert.Equal((int)traits.BlockBytes, format.BlockBytes);
    }

    [Theory]
    [MemberData(nameof(BlockTypes))]
    public void Quantized_numbers_are_restored_exactly_as_ggml_restores_them(uint type)
    {
        RequireGgml();
        var random = new Random(1);
        float[] values = [.. Enumerable.Range(0, Rows * Columns).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(10, random.Next(-3, 3))))];

        Compare(type, GgmlApi.Quantize(type, values, Columns));
    }

    [Theory]
    [MemberData(nameof(BlockTypes))]
    public void Any_bytes_are_restored_exactly_as_ggml_restores_them(uint type)
    {
        RequireGgml();
        byte[] stored = new byte[Rows * (int)GgmlApi.ggml_row_size(type, Columns)];
        new Random(2).NextBytes(stored);

        Compare(type, stored);
    }

    [Fact]
    public unsafe void Blocks_of_q8_0_keep_their_bytes_and_the_nearest_scales()
    {
        RequireGgml();
        var random = new Random(3);
        float[] values = [.. Enumerable.Range(0, Columns).Select(_ => (float)(random.NextDouble() - 0.5))], expected = new float[Columns], actual = new float[Columns];
        byte[] blocks = GgmlApi.Quantize(8, values, Columns);
        GgmlApi.Restore(8, blocks, expected);
        using var matrix = Q8.Allocate(3, Columns);

        Q8.Import(blocks, matrix.Data, 2);
        fixed (float* to = actual)
            Q8.Restore(matrix.Data, 2, Columns, to);

        // In proportion to a number, so that it is the scale alone that is rounded.
        for (int i = 0; i < Columns; i++)
            Assert.InRange(Math.Abs(actual[i] - expected[i]), 0, Math.Abs(expected[i]) / 256);
    }

    [Fact]
    public void Unsupported_formats_are_refused_by_name()
    {
        Assert.Contains("stored as IQ4_XS, which is not supported", Assert.Throws<CheckpointException>(() => GgufFormat.Of(23, "it")).Message, StringComparison.Ordinal);
        Assert.Contains("stored as type 999", Assert.Throws<CheckpointException>(() => GgufFormat.Of(999, "it")).Message, StringComparison.Ordinal);
    }

    private static void Compare(uint type, byte[] stored)
    {
        var format = GgufFormat.All[type];
        int rowBytes = Columns / format.BlockElements * format.BlockBytes;
        Assert.Equal(Rows * rowBytes, stored.Length);
        float[] expected = new float[Columns], actual = new float[Columns];
        for (int row = 0; row < Rows; row++)
        {
            var bytes = stored.AsSpan(row * rowBytes, rowBytes);
            GgmlApi.Restore(type, bytes, expected);
            format.Restore!(bytes, actual); // a block format restores
            // By bits, because random scales may be no numbers; those differ in bits that mean nothing.
            for (int i = 0; i < Columns; i++)
                Assert.True(BitConverter.SingleToInt32Bits(expected[i]) == BitConverter.SingleToInt32Bits(actual[i]) || (float.IsNaN(expected[i]) && float.IsNaN(actual[i])), $"{format.Name} row {row}, number {i}: {expected[i]:R} became {actual[i]:R}");
        }
    }

    private static void RequireGgml() =>
        Assert.SkipUnless(LlamaCppLibraries.AreInstalled, $"llama.cpp is not in {LlamaCppLibraries.Folder}; tests/prepare.sh installs it.");
}
