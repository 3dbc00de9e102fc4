namespace AiFabric.Engine.Training.Planning;

/// <summary>SplitMix64 (Steele et al., OOPSLA 2014): the same numbers on every platform and runtime version, so that a resumed job sees the same data.</summary>
internal struct SeededRandom
{
    private ulong state;

    /// <param name="seed">The job's seed.</param>
    /// <param name="stream">Which of the seed's independent streams: an epoch, a tensor, a sample.</param>
    public SeededRandom(long seed, long stream)
    {
        state = (ulong)seed;
        state = Next() ^ (ulong)stream;
        Next();
    }

    /// <summary>Uniform in [0, 1).</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [0, <paramref name="limit"/>).</summary>
    public int NextInt(int limit) => (int)(((UInt128)Next() * (ulong)limit) >> 64);

    /// <summary>Fisher-Yates.</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (int last = items.Length - 1; last > 0; last--)
        {
            int other = NextInt(last + 1);
            (items[last], items[other]) = (items[other], items[last]);
        }
    }

    /// <summary>The next 64 random bits.</summary>
    public ulong Next() => Mix(state += 0x9E3779B97F4A7C15);

    /// <summary>Spreads a number over all 64 bits.</summary>
    public static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
