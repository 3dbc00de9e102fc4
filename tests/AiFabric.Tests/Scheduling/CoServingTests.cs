using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>Co-serving beside the other ways of sharing one engine, on machines of measured and of supposed costs.</summary>
public sealed class CoServingTests(ITestOutputHelper output)
{
    private const double Enough = 0.1; // may miss
    private const int Steps = 24;

    private static readonly TimeSpan Span = TimeSpan.FromSeconds(150);

    private static readonly TemporalSharing[] Turns = [new(64), new(128), new(512), new(1, IsDynamic: true)];

    [Theory]
    [InlineData(0.2)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void On_two_cores_it_finetunes_more_than_any_turns_that_keep_the_objectives(double load) =>
        AssertBest(TraceWorkload.Options, MachineCosts.TwoCores, load);

    [Theory]
    [InlineData(0.2)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void On_a_gpu_it_finetunes_more_than_any_turns_that_keep_the_objectives(double load) =>
        AssertBest(TraceWorkload.Options with { MaxBatchTokens = 2_048, MaxRunning = 256, TpotMilliseconds = 40 }, MachineCosts.Gpu, load);

    [Fact]
    public void On_a_gpu_forward_windows_ride_in_the_passes_of_requests()
    {
        var machine = new ScriptedMachine(TraceWorkload.Options with { TpotMilliseconds = 40 }, new ScriptedJob(512, Steps), MachineCosts.Gpu)
            .Run(TraceWorkload.Arrivals(20, Span, _ => 0.5), Span);

        var windows = machine.Iterations.Where(iteration => iteration.Window > 0).ToList();
        Assert.True(windows.Count(iteration => iteration.DecodeRows > 0) > 0.9 * windows.Count);
        Assert.True(windows.Average(iteration => iteration.Window) > 128);
        Assert.DoesNotContain(machine.Iterations, iteration => iteration.IsBeside);
    }

    [Fact]
    public void On_two_cores_backward_runs_beside_passes_for_most_of_a_light_load()
    {
        var decoding = Run(TraceWorkload.Options, MachineCosts.TwoCores, TraceWorkload.Arrivals(1, Span, _ => 1), null).Machine
            .Iterations.Where(iteration => iteration.DecodeRows > 0).ToList();

        Assert.True(decoding.Where(iteration => iteration.IsBeside).Sum(iteration => iteration.Duration.TotalSeconds) > 0.5 * decoding.Sum(iteration => iteration.Duration.TotalSeconds));
    }

    [Fact]
    public void Where_places_are_few_finetuning_costs_nobody_a_place()
    {
        var arrivals = TraceWorkload.Arrivals(85, Span, _ => 1);
        var (machine, rate) = Run(TraceWorkload.Options, MachineCosts.Gpu, arrivals, null);
        var alone = new ScriptedMachine(TraceWorkload.Options, null, MachineCosts.Gpu).Run(arrivals, Span);

        output.WriteLine($"longest TTFT {machine.Requests.Max(request => request.Ttft)}, alone {alone.Requests.Max(request => request.Ttft)}; {rate:0} tokens/s");
        Assert.Equal(0, TraceWorkload.Missed(TraceWorkload.Options, machine.Requests));
        Assert.True(machine.Requests.Max(request => request.Ttft) < 1.5 * alone.Requests.Max(request => request.Ttft));
        Assert.True(rate > 0);
    }

    [Fact]
    public void Without_objective_and_before_anything_is_known_a_whole_window_goes_backward_beside_a_pass()
    {
        var simulation = new Simulation(batchTokens: 32, change: o => o with { BackwardBeside = true, MaxFinetuneTokens = 32 });
        simulation.Add(4, 10);
        simulation.Step();
        simulation.Demand = new TrainingDemand(TrainingPhase.Backward, 20) { Position = 20, Steps = Steps };

        Assert.Equal((new BackwardSlice(20, 20, Steps), true), (simulation.Plan().Backward, simulation.Plan().IsBeside));
    }

    private void AssertBest(SchedulerOptions options, MachineCosts costs, double load)
    {
        double full = TraceWorkload.Capacity(options, costs);
        var arrivals = TraceWorkload.Arrivals(full, Span, _ => load);
        var (machine, rate) = Run(options, costs, arrivals, null);
        double missed = TraceWorkload.Missed(options, machine.Requests);
        output.WriteLine($"{load:P0} of {full:0.00} requests/s: co-serving {rate:0.0} tokens/s, {missed:P1} missed");
        Assert.InRange(missed, 0, Enough);
        Assert.True(rate > 0);
        foreach (var turns in Turns)
        {
            var (other, otherRate) = Run(options, costs, arrivals, turns);
            double otherMissed = TraceWorkload.Missed(options, other.Requests);
            output.WriteLine($"  {turns}: {otherRate:0.0} tokens/s, {otherMissed:P1} missed");
            Assert.True(otherMissed > Enough || rate > otherRate, $"{turns} finetunes {otherRate:0.0} tokens/s and misses {otherMissed:P1}.");
        }
    }

    // Finetuning is two thirds backward.
    private static (ScriptedMachine Machine, double Rate) Run(
        SchedulerOptions options, MachineCosts costs, List<(TimeSpan At, int Prompt, int Answer)> arrivals, TemporalSharing? turns)
    {
        var machine = new ScriptedMachine(options with { Temporal = turns }, new ScriptedJob(512, Steps), costs).Run(arrivals, Span);
        return (machine, TraceWorkload.Work(machine, TimeSpan.FromSeconds(10), Span) / 3);
    }
}
