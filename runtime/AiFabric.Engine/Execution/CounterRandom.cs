namespace AiFabric.Engine.Execution;

/// <summary>Random numbers without state: the n-th number of a seed is computed directly (SplitMix64; Steele, Lea and Flood, OOPSLA 2014).</summary>
internal static class CounterRandom
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>Uniform in [0, 1).</summary>
    public static double NextDouble(long seed, long counter)
    {
        // The seed is mixed first, or neighbouring seeds would give the same numbers one step apart.
        ulong bits = Mix(Mix((ulong)seed + Golden) + ((ulong)counter * Golden));
        return (bits >> 11) * (1.0 / (1UL << 53));
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
