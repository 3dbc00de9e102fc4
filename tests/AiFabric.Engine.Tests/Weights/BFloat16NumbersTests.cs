using System.Runtime.InteropServices;
using AiFabric.Engine.Weights;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Weights;

/// <summary>Conversions against libtorch's.</summary>
public sealed class BFloat16NumbersTests
{
    private static readonly float[] Odd =
        [0, -0f, 1, 1.00390625f, 1.01171875f, -1.00390625f, float.MaxValue, float.MinValue, float.Epsilon, 1e-40f, float.PositiveInfinity, float.NegativeInfinity];

    [Fact]
    public void Numbers_go_to_the_nearest_and_come_back_exactly()
    {
        var random = new Random(1);
        float[] numbers = [.. Odd, .. Enumerable.Range(0, 4001).Select(_ => (random.NextSingle() - 0.5f) * MathF.Pow(10, random.Next(-20, 20)))];
        using var scope = NewDisposeScope();
        var expected = tensor(numbers).to(ScalarType.BFloat16);

        var narrow = new ushort[numbers.Length];
        BFloat16Numbers.Narrow(numbers, narrow);
        var wide = new float[numbers.Length];
        BFloat16Numbers.Widen(narrow, wide);

        Assert.Equal(MemoryMarshal.Cast<byte, ushort>(expected.bytes).ToArray(), narrow);
        Assert.Equal(MemoryMarshal.Cast<byte, float>(expected.to(ScalarType.Float32).bytes).ToArray(), wide);
    }

    [Fact]
    public void What_is_no_number_stays_none()
    {
        // The lower half of the second would carry into the exponent.
        float[] numbers = [float.NaN, BitConverter.UInt32BitsToSingle(0x7FFF_FFFF), BitConverter.UInt32BitsToSingle(0xFF80_0001)];
        var narrow = new ushort[3];
        var wide = new float[3];

        BFloat16Numbers.Narrow(numbers, narrow);
        BFloat16Numbers.Widen(narrow, wide);

        Assert.All(wide, number => Assert.True(float.IsNaN(number)));
    }
}
