using System.Globalization;
using AiFabric.Benchmarks.Speed;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>A request to come.</summary>
/// <param name="At">Since the start.</param>
/// <param name="Prompt">Its tokens.</param>
/// <param name="Answer">Tokens of its answer.</param>
internal sealed record Arrival(TimeSpan At, int[] Prompt, int Answer);

/// <summary>
/// Requests with the lengths of a real service's conversations (Azure, 2023), scaled to what the machine can do. The trace's file keeps lengths alone:
/// requests arrive as a Poisson process. The same seed gives the same requests to every system.
/// </summary>
internal static class Workload
{
    /// <summary>Prompts are shorter than the trace's by this factor, answers by <see cref="AnswerScale"/>.</summary>
    public const int PromptScale = 16;

    public const int AnswerScale = 4;

    /// <param name="repository">Where the trace is.</param>
    /// <param name="rate">Requests per second at full load.</param>
    /// <param name="load">Share of the rate at a time since the start, up to 1.</param>
    /// <param name="span">Until when.</param>
    /// <param name="seed">Of arrivals, lengths and prompts.</param>
    /// <param name="vocabulary">Tokens that prompts are made of.</param>
    public static List<Arrival> Make(string repository, double rate, Func<TimeSpan, double> load, TimeSpan span, int seed, int vocabulary)
    {
        var lengths = Lengths(repository);
        var random = new Random(seed);
        var arrivals = new List<Arrival>();
        for (var at = Pause(random, rate); at < span; at += Pause(random, rate))
        {
            var (prompt, answer) = lengths[random.Next(lengths.Count)];
            double kept = random.NextDouble();
            if (kept < load(at))
                arrivals.Add(new Arrival(at, Prompts.Random(random.Next(), prompt, vocabulary), answer));
        }
        return arrivals;
    }

    private static TimeSpan Pause(Random random, double rate) => TimeSpan.FromSeconds(-Math.Log(1 - random.NextDouble()) / rate);

    private static List<(int Prompt, int Answer)> Lengths(string repository) =>
    [
        .. File.ReadLines(Path.Combine(repository, "tests/AiFabric.Tests/Scheduling/azure-conversations.csv")).Skip(1).Select(line =>
        {
            string[] columns = line.Split(',');
            return (Scaled(columns[0], PromptScale), Scaled(columns[1], AnswerScale));
        }),
    ];

    private static int Scaled(string tokens, int scale) => (int.Parse(tokens, CultureInfo.InvariantCulture) + scale - 1) / scale;
}
