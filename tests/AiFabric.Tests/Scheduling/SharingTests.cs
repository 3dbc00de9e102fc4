using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>How jobs share finetuning, and how inference and finetuning take turns where they are not served together.</summary>
public sealed class SharingTests
{
    [Theory]
    [InlineData(1, 1, 0.5)]
    [InlineData(3, 1, 0.75)]
    [InlineData(1, 9, 0.1)]
    public void Jobs_share_work_by_their_weights_whatever_the_size_of_their_windows(double weight, double other, double expected)
    {
        var random = new Random(1);
        var (first, second) = (new WorkShare(weight), new WorkShare(other));
        (double mine, double all) = (0, 0);
        for (int i = 0; i < 10_000; i++)
        {
            bool turn = first.Level <= second.Level;
            double work = turn ? random.Next(1, 32) : random.Next(1, 512);
            (turn ? first : second).Charge(work);
            (mine, all) = (mine + (turn ? work : 0), all + work);
        }

        Assert.Equal(expected, mine / all, 0.01);
    }

    [Fact]
    public void A_job_that_was_idle_saved_nothing_up()
    {
        var (busy, returning) = (new WorkShare(1), new WorkShare(1));
        busy.Charge(1_000);
        returning.CatchUp(busy.Level);

        Assert.Equal(busy.Level, returning.Level);
        returning.Charge(10);
        returning.CatchUp(5);
        Assert.Equal(1_010, returning.Level);
    }

    [Fact]
    public void Turns_take_whole_sequences_of_finetuning_after_so_many_iterations_of_inference()
    {
        var job = new ScriptedJob(sequence: 100, steps: 4);
        var simulation = new Simulation(blocks: 1024, batchTokens: 64, change: o => o with { Temporal = new TemporalSharing(8), TpotMilliseconds = 5 });
        simulation.Add(4, 60);
        var kinds = new List<char>();
        while (simulation.Scheduler.HasSequences)
        {
            simulation.Demand = job.Demand;
            var batch = simulation.Step();
            job.Run(batch);
            Assert.False(batch.HasInference && batch.HasTraining);
            kinds.Add(batch.HasTraining ? 'f' : 'i');
        }

        string[] turns = new string([.. kinds]).Split('f', StringSplitOptions.RemoveEmptyEntries);
        Assert.All(turns[..^1], turn => Assert.Equal(8, turn.Length));
        Assert.Equal(100 * (turns.Length - 1), job.Trained);
    }

    [Fact]
    public void Dynamic_turns_are_as_rare_as_the_mean_time_of_a_token_asks_for()
    {
        var job = new ScriptedJob(sequence: 64, steps: 4);
        var simulation = new Simulation(blocks: 1024, batchTokens: 64, change: o => o with { Temporal = new TemporalSharing(1, IsDynamic: true), TpotMilliseconds = 20 })
        {
            Milliseconds = batch => batch.HasInference ? 10 : 100,
            BackwardMilliseconds = slice => slice.Steps * 100,
        };
        simulation.Add(4, 1000);
        var start = simulation.Now;
        int iterations = 0;
        while (simulation.Scheduler.HasSequences)
        {
            simulation.Demand = job.Demand;
            var batch = simulation.Step();
            job.Run(batch);
            iterations += batch.HasInference ? 1 : 0;
        }

        Assert.True(job.Trained > 0);
        Assert.InRange((simulation.Now - start).TotalMilliseconds / iterations, 15, 21);
    }

    [Fact]
    public void Without_inference_finetuning_goes_on_from_turn_to_turn()
    {
        var job = new ScriptedJob(sequence: 64, steps: 4);
        var simulation = new Simulation(batchTokens: 64, change: o => o with { Temporal = new TemporalSharing(512) });
        for (int i = 0; i < 40; i++)
        {
            simulation.Demand = job.Demand;
            job.Run(simulation.Step());
        }

        Assert.Equal(20 * 64, job.Trained);
        simulation.Demand = new TrainingDemand(TrainingPhase.Idle, 0);
        Assert.True(simulation.Plan().IsEmpty);
    }
}
