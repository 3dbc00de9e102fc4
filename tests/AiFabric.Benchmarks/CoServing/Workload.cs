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
/// requests arrive as a Poisson process, given their number: as many as the rate says, for by chance alone a minute of 90 % of what is sustained had 96 %. The same seed gives the same
/// requests to every system.
/// </summary>
internal static class Workload
{
    /// <summary>Prompts are shorter than the trace's by this factor, answers by <see cref="AnswerScale"/>.</summary>
    public const int PromptScale = 16;

    public const int AnswerScale = 4;

    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);

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
        double expected = Enumerable.Range(0, (int)(span / Tick)).Sum(tick => load(tick * Tick)) * rate * Tick.TotalSeconds, due = 0;
        // Of a Poisson process whose number is given, each arrival lies anywhere, with equal chance for equal parts of what is expected.
        double[] places = [.. Enumerable.Range(0, (int)Math.Round(expected)).Select(_ => random.NextDouble() * expected).Order()];
        var arrivals = new List<Arrival>(places.Length);
        for (var at = TimeSpan.Zero; at < span; at += Tick)
        {
            due += load(at) * rate * Tick.TotalSeconds;
            while (arrivals.Count < places.Length && places[arrivals.Count] < due)
            {
                var (prompt, answer) = lengths[random.Next(lengths.Count)];
                arrivals.Add(new Arrival(at, Prompts.Random(random.Next(), prompt, vocabulary), answer));
            }
        }
        return arrivals;
    }

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
