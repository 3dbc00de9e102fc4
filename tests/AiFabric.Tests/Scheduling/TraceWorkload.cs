using System.Globalization;
using AiFabric.Engine.Scheduling;
using AiFabric.Tests.Layering;

namespace AiFabric.Tests.Scheduling;

/// <summary>Requests with the lengths of a real service's conversations, as the co-serving benchmark has them, and what a scripted machine makes of them.</summary>
internal static class TraceWorkload
{
    private const int PromptScale = 16;
    private const int AnswerScale = 4;

    private static readonly (int Prompt, int Answer)[] Lengths = Read();

    /// <summary>The benchmark's objectives and bounds.</summary>
    public static SchedulerOptions Options { get; } = new()
    {
        MaxBatchTokens = 512,
        MaxRunning = 64,
        MaxFinetuneTokens = 512,
        TpotMilliseconds = 50,
        TtftMilliseconds = 5_000,
    };

    /// <summary>A Poisson process of a rate, of which a share is kept.</summary>
    public static List<(TimeSpan At, int Prompt, int Answer)> Arrivals(double rate, TimeSpan span, Func<TimeSpan, double> load)
    {
        var random = new Random(11);
        var arrivals = new List<(TimeSpan, int, int)>();
        for (var at = TimeSpan.Zero; at < span; at += TimeSpan.FromSeconds(-Math.Log(1 - random.NextDouble()) / rate))
        {
            var (prompt, answer) = Lengths[random.Next(Lengths.Length)];
            if (random.NextDouble() < load(at))
                arrivals.Add((at, prompt, answer));
        }
        return arrivals;
    }

    /// <summary>Requests per second that inference alone sustains: of 60 s nine of ten requests keep the objectives.</summary>
    public static double Capacity(SchedulerOptions options, MachineCosts costs)
    {
        (double low, double high) = (1, 512);
        while (high / low > 1.05)
        {
            double rate = Math.Sqrt(low * high);
            var span = TimeSpan.FromSeconds(60);
            bool holds = Missed(options, new ScriptedMachine(options, null, costs).Run(Arrivals(rate, span, _ => 1), span).Requests) <= 0.1;
            (low, high) = holds ? (rate, high) : (low, rate);
        }
        return low;
    }

    /// <summary>Share of requests that miss an objective.</summary>
    public static double Missed(SchedulerOptions options, List<Served> requests) => requests.Count(request =>
        request.Ttft.TotalMilliseconds > options.TtftMilliseconds || request.Tpot?.TotalMilliseconds > options.TpotMilliseconds) / (double)requests.Count;

    /// <summary>Tokens of a forward pass, finetuned per second between two times.</summary>
    public static double Work(ScriptedMachine machine, TimeSpan from, TimeSpan to) =>
        machine.Iterations.Where(iteration => iteration.Start >= from && iteration.Start < to).Sum(iteration => iteration.TrainingWork) / (to - from).TotalSeconds;

    private static (int Prompt, int Answer)[] Read() =>
    [
        .. File.ReadLines(Path.Combine(Repository.Root, "tests/AiFabric.Tests/Scheduling/azure-conversations.csv")).Skip(1).Select(line =>
        {
            string[] columns = line.Split(',');
            return (Scaled(columns[0], PromptScale), Scaled(columns[1], AnswerScale));
        }),
    ];

    private static int Scaled(string tokens, int scale) => (int.Parse(tokens, CultureInfo.InvariantCulture) + scale - 1) / scale;
}
