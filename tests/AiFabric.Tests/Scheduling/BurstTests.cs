using System.Globalization;
using AiFabric.Engine.Scheduling;
using AiFabric.Tests.Layering;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>Finetuning beside the lengths of a real service's conversations, on a machine of costs and a clock.</summary>
public sealed class BurstTests(ITestOutputHelper output)
{
    private const int PromptScale = 16;
    private const int AnswerScale = 4;

    private static readonly TimeSpan Tpot = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Ttft = TimeSpan.FromSeconds(5);
    private static readonly (int Prompt, int Answer)[] Lengths = Read();

    private static readonly SchedulerOptions Options = new()
    {
        MaxBatchTokens = 512,
        MaxRunning = 64,
        MaxFinetuneTokens = 256,
        TpotMilliseconds = Tpot.TotalMilliseconds,
        TtftMilliseconds = Ttft.TotalMilliseconds,
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_burst_finds_finetuning_gone_and_idle_compute_is_taken_back_when_it_ends(bool beside)
    {
        double full = Capacity();
        var (begin, end) = (TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(60));
        var arrivals = Arrivals(full, TimeSpan.FromSeconds(90), at => at < begin || at > end ? 0.1 : 0.1 + (0.9 * Math.Min(1, (at - begin).TotalSeconds)));
        var machine = new ScriptedMachine(Options with { BackwardBeside = beside }, new ScriptedJob(512, 12)).Run(arrivals, TimeSpan.FromSeconds(90));

        double missed = Missed(machine.Requests);
        double before = Work(machine, TimeSpan.FromSeconds(10), begin);
        double during = Work(machine, begin + TimeSpan.FromSeconds(3), end);
        // The burst ends when the last of its requests has; what still runs then is the light load's.
        var over = machine.Requests.Where(request => request.Arrived >= begin && request.Arrived < end).Max(request => request.Ended);
        double after = Work(machine, over, over + TimeSpan.FromSeconds(1));
        output.WriteLine($"capacity {full:0.00} requests/s; missed {missed:P1}; finetuning {before:0} before, {during:0} during, {after:0} in the second after");
        Assert.InRange(missed, 0, 0.10);
        Assert.True(during < before * 0.7, "The burst takes its compute.");
        Assert.True(after > before * 0.8, "The second after the burst is finetuning's again.");
        Assert.InRange(LongestOverrun(machine, begin), 0, 2);
    }

    [Fact]
    public void A_scheduler_that_does_not_look_at_the_objective_misses_it_in_the_same_burst()
    {
        double full = Capacity();
        var begin = TimeSpan.FromSeconds(30);
        var arrivals = Arrivals(full, TimeSpan.FromSeconds(60), at => at < begin ? 0.1 : 1);
        var blind = Options with { TpotMilliseconds = null, TtftMilliseconds = null };

        double missed = Missed(new ScriptedMachine(blind, new ScriptedJob(512, 12)).Run(arrivals, TimeSpan.FromSeconds(60)).Requests);

        output.WriteLine($"missed {missed:P1}");
        Assert.True(missed > 0.5);
    }

    [Theory]
    [InlineData(0.2, false)]
    [InlineData(0.5, false)]
    [InlineData(0.9, false)]
    [InlineData(0.2, true)]
    [InlineData(0.5, true)]
    [InlineData(0.9, true)]
    public void Nine_of_ten_requests_of_the_trace_keep_the_objective_beside_finetuning(double load, bool beside)
    {
        double full = Capacity();
        var span = TimeSpan.FromSeconds(120);
        var arrivals = Arrivals(full, span, _ => load);
        var job = new ScriptedJob(512, 12);
        var machine = new ScriptedMachine(Options with { BackwardBeside = beside }, job).Run(arrivals, span);
        var alone = new ScriptedMachine(Options, null).Run(arrivals, span);

        double missed = Missed(machine.Requests), free = 1 - (Busy(alone) / span.TotalSeconds);
        output.WriteLine($"load {load:P0}: missed {missed:P1}, {job.Trained / span.TotalSeconds:0} tokens/s trained, inference alone leaves {free:P0} of the time");
        Assert.InRange(missed, 0, 0.10);
        Assert.True(job.Trained > 0);
    }

    private static double Busy(ScriptedMachine machine) => machine.Iterations.Sum(iteration => iteration.Duration.TotalSeconds);

    // Requests per second that inference alone sustains: of 60 s nine of ten requests keep the objective.
    private static double Capacity()
    {
        (double low, double high) = (1, 64);
        while (high / low > 1.05)
        {
            double rate = Math.Sqrt(low * high);
            var span = TimeSpan.FromSeconds(60);
            bool holds = Missed(new ScriptedMachine(Options, null).Run(Arrivals(rate, span, _ => 1), span).Requests) <= 0.1;
            (low, high) = holds ? (rate, high) : (low, rate);
        }
        return low;
    }

    private static double Missed(List<Served> requests) => requests.Count(request => request.Ttft > Ttft || request.Tpot > Tpot) / (double)requests.Count;

    private static double Work(ScriptedMachine machine, TimeSpan from, TimeSpan to) =>
        machine.Iterations.Where(iteration => iteration.Start >= from && iteration.Start < to).Sum(iteration => iteration.TrainingWork) / (to - from).TotalSeconds;

    // Iterations in a row that took longer than the objective with finetuning in them, by more than the machine's own unsteadiness (a tenth) and what the plan errs, while somebody decoded.
    private static int LongestOverrun(ScriptedMachine machine, TimeSpan from)
    {
        (int longest, int current) = (0, 0);
        foreach (var iteration in machine.Iterations.Where(iteration => iteration.Start >= from))
        {
            current = iteration is { DecodeRows: > 0, TrainingWork: > 0 } && iteration.Duration > 1.15 * Tpot ? current + 1 : 0;
            longest = Math.Max(longest, current);
        }
        return longest;
    }

    private static List<(TimeSpan At, int Prompt, int Answer)> Arrivals(double rate, TimeSpan span, Func<TimeSpan, double> load)
    {
        var random = new Random(11);
        var arrivals = new List<(TimeSpan, int, int)>();
        // A Poisson process of the full rate, of which the load is kept.
        for (var at = TimeSpan.Zero; at < span; at += TimeSpan.FromSeconds(-Math.Log(1 - random.NextDouble()) / rate))
        {
            var (prompt, answer) = Lengths[random.Next(Lengths.Length)];
            if (random.NextDouble() < load(at))
                arrivals.Add((at, prompt, answer));
        }
        return arrivals;
    }

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
