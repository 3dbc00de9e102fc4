using AiFabric.Engine.Weights;
using Xunit;

namespace AiFabric.Engine.Tests.Weights;

public sealed class RopeTests
{
    private const int HeadSize = 128;

    private static readonly double[] Plain = new Rope(500_000).Frequencies(HeadSize);

    [Fact]
    public void Plain_frequencies_are_powers_of_theta()
    {
        Assert.Equal(HeadSize / 2, Plain.Length);
        Assert.Equal(1, Plain[0]);
        Assert.Equal(Math.Pow(500_000, -126.0 / 128), Plain[^1], 1e-15);
        Assert.Equal(1, new Rope(500_000).Magnitude);
    }

    [Fact]
    public void Linear_scaling_divides_all() => Assert.All(
        new Rope(500_000, new LinearScaling(8)).Frequencies(HeadSize).Zip(Plain), pair => Assert.Equal(pair.Second / 8, pair.First, 1e-15));

    [Fact]
    public void Llama3_scaling_keeps_short_waves_divides_long_ones_and_blends_between()
    {
        double[] scaled = new Rope(500_000, new Llama3Scaling(8, 1, 4, 8192)).Frequencies(HeadSize);

        for (int i = 0; i < scaled.Length; i++)
        {
            double wave = 2 * Math.PI / Plain[i], smooth = ((8192 / wave) - 1) / 3;
            double expected = wave < 8192 / 4.0 ? Plain[i] : wave > 8192 ? Plain[i] / 8 : ((1 - smooth) * Plain[i] / 8) + (smooth * Plain[i]);
            Assert.Equal(expected, scaled[i], 1e-15);
        }
        Assert.Contains(scaled.Zip(Plain), pair => pair.First < pair.Second && pair.First > pair.Second / 8);
    }

    [Fact]
    public void Yarn_keeps_the_first_pairs_divides_the_last_and_blends_between_by_pair()
    {
        var rope = new Rope(500_000, new YarnScaling(4, 8192, 32, 1, 1.25, Truncate: true));
        double[] scaled = rope.Frequencies(HeadSize);

        // Pairs that turn 32 times and once within 8,192 positions: 18.1 and 35.0, rounded outwards.
        for (int i = 0; i < scaled.Length; i++)
        {
            double divided = Math.Clamp((i - 18) / (double)(35 - 18), 0, 1);
            Assert.Equal((Plain[i] * (1 - divided)) + (Plain[i] / 4 * divided), scaled[i], 1e-15);
        }
        Assert.Equal(1.25, rope.Magnitude);
    }
}
