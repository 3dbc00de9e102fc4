using System.Diagnostics;

namespace AiFabric.Benchmarks.Speed;

/// <summary>Figures from times of tokens.</summary>
internal static class Rates
{
    /// <summary>Tokens per second from when the last sequence has its first token until the first one has its last.</summary>
    /// <param name="times">Timestamps of each sequence's tokens.</param>
    public static double WhileAllDecode(IReadOnlyList<long[]> times)
    {
        long start = times.Max(sequence => sequence[0]), end = times.Min(sequence => sequence[^1]);
        int tokens = times.Sum(sequence => sequence.Count(time => time > start && time <= end));
        return tokens / Stopwatch.GetElapsedTime(start, end).TotalSeconds;
    }

    public static double Median(IReadOnlyCollection<double> values) => values.Order().ElementAt(values.Count / 2);
}
