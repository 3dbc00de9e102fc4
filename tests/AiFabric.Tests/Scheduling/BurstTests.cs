using AiFabric.Engine.Scheduling;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>Finetuning beside the lengths of a real service's conversations, on a machine of costs and a clock.</summary>
public sealed class BurstTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Tpot = TimeSpan.FromMilliseconds(50);
    private static readonly SchedulerOptions Options = TraceWorkload.Options with { MaxFinetuneTokens = 256 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_burst_finds_finetuning_gone_and_idle_compute_is_taken_back_when_it_ends(bool beside)
    {
        double full = TraceWorkload.Capacity(Options, Costs(beside));
        var (begin, end) = (TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(60));
        var arrivals = TraceWorkload.Arrivals(full, TimeSpan.FromSeconds(90), at => at < begin || at > end ? 0.1 : 0.1 + (0.9 * Math.Min(1, (at - begin).TotalSeconds)));
        var machine = new ScriptedMachine(Options, new ScriptedJob(512, 12), Costs(beside)).Run(arrivals, TimeSpan.FromSeconds(90));

        double missed = TraceWorkload.Missed(Options, machine.Requests);
        double before = TraceWorkload.Work(machine, TimeSpan.FromSeconds(10), begin);
        double during = TraceWorkload.Work(machine, begin + TimeSpan.FromSeconds(3), end);
        // The burst ends when the last of its requests has; what still runs then is the light load's.
        var over = machine.Requests.Where(request => request.Arrived >= begin && request.Arrived < end).Max(request => request.Ended);
        double after = TraceWorkload.Work(machine, over, over + TimeSpan.FromSeconds(1));
        output.WriteLine($"capacity {full:0.00} requests/s; missed {missed:P1}; finetuning {before:0} before, {during:0} during, {after:0} in the second after");
        Assert.InRange(missed, 0, 0.10);
        Assert.True(during < before * 0.7, "The burst takes its compute.");
        Assert.True(after > before * 0.8, "The second after the burst is finetuning's again.");
        Assert.InRange(LongestOverrun(machine, begin), 0, 2);
    }

    [Theory]
    [InlineData(0.1, false)]
    [InlineData(0.1, true)]
    [InlineData(0.5, false)]
    [InlineData(0.5, true)]
    public void Finetuning_yields_after_two_long_iterations_on_a_machine_whose_time_nobody_can_tell(double load, bool beside)
    {
        var span = TimeSpan.FromSeconds(120);
        var arrivals = TraceWorkload.Arrivals(TraceWorkload.Capacity(Options, Costs(beside)), span, _ => load);
        var machine = new ScriptedMachine(Options, new ScriptedJob(512, 12), Costs(beside), unsteadiness: 0.5).Run(arrivals, span);
        Assert.Equal(2, LongestOverrun(machine, TimeSpan.Zero));
    }

    [Fact]
    public void A_scheduler_that_does_not_look_at_the_objective_misses_it_in_the_same_burst()
    {
        double full = TraceWorkload.Capacity(Options, MachineCosts.Plain);
        var begin = TimeSpan.FromSeconds(30);
        var arrivals = TraceWorkload.Arrivals(full, TimeSpan.FromSeconds(60), at => at < begin ? 0.1 : 1);
        var blind = Options with { TpotMilliseconds = null, TtftMilliseconds = null };

        double missed = TraceWorkload.Missed(Options, new ScriptedMachine(blind, new ScriptedJob(512, 12), MachineCosts.Plain).Run(arrivals, TimeSpan.FromSeconds(60)).Requests);

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
        double full = TraceWorkload.Capacity(Options, Costs(beside));
        var span = TimeSpan.FromSeconds(120);
        var arrivals = TraceWorkload.Arrivals(full, span, _ => load);
        var job = new ScriptedJob(512, 12);
        var machine = new ScriptedMachine(Options, job, Costs(beside)).Run(arrivals, span);
        var alone = new ScriptedMachine(Options, null, Costs(beside)).Run(arrivals, span);

        double missed = TraceWorkload.Missed(Options, machine.Requests), free = 1 - (Busy(alone) / span.TotalSeconds);
        output.WriteLine($"load {load:P0}: missed {missed:P1}, {job.Trained / span.TotalSeconds:0} tokens/s trained, inference alone leaves {free:P0} of the time");
        Assert.InRange(missed, 0, 0.10);
        Assert.True(job.Trained > 0);
    }

    [Theory]
    [InlineData(12, 4, 0.05)]
    [InlineData(14, 3, 0.3)]
    [InlineData(16, 3, 0.6)]
    public void A_rush_waits_for_its_first_tokens_and_slows_nobody_down(double rate, double seconds, double mostMissed)
    {
        var (begin, end) = (TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10 + seconds));
        var arrivals = TraceWorkload.Arrivals(rate, TimeSpan.FromSeconds(20), at => at < begin || at > end ? 0.1 : 1);

        var requests = new ScriptedMachine(Options, null, MachineCosts.TwoCores).Run(arrivals, TimeSpan.FromSeconds(20)).Requests;

        double missed = TraceWorkload.Missed(Options, requests), slow = requests.Count(request => request.Tpot > Tpot) / (double)requests.Count;
        output.WriteLine($"{arrivals.Count} requests: {missed:P1} missed, {slow:P1} by their TPOT");
        Assert.InRange(slow, 0, 0.05);
        Assert.InRange(missed, 0, mostMissed);
    }

    private static MachineCosts Costs(bool beside) => beside ? MachineCosts.PlainBeside : MachineCosts.Plain;

    private static double Busy(ScriptedMachine machine) => machine.Iterations.Sum(iteration => iteration.Duration.TotalSeconds);

    // Iterations in a row that took longer than the objective by more than 15 %, with finetuning in them, while somebody decoded.
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
}
