using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using Xunit;

namespace AiFabric.Tests.Scheduling;

/// <summary>Prompts between those that decode and finetuning.</summary>
public sealed partial class TrainingBudgetTests
{
    [Theory]
    [InlineData(TrainingPhase.Forward)]
    [InlineData(TrainingPhase.Backward)]
    public void Finetuning_yields_to_who_waits_for_a_place(TrainingPhase phase)
    {
        var simulation = Loaded(25, o => o with { TtftMilliseconds = 1000, MaxRunning = 1 });
        Teach(simulation);
        simulation.Demand = Demand(phase, 10_000);
        Assert.True(simulation.Plan().HasTraining);
        var next = simulation.Add(800, 10);

        Assert.False(simulation.Plan().HasTraining);
        Assert.False(simulation.Plan().IsBeside);

        next.RequestCancel();
        simulation.Plan();
        Assert.True(simulation.Plan().HasTraining);
    }

    [Fact]
    public void Without_a_ttft_who_waits_for_a_place_stops_nothing()
    {
        var simulation = Loaded(25, o => o with { MaxRunning = 1 });
        Teach(simulation);
        simulation.Demand = Demand(TrainingPhase.Forward, 10_000);
        simulation.Add(800, 10);

        Assert.True(simulation.Plan().HasTraining);
    }

    [Fact]
    public void A_copy_that_waits_for_a_place_stops_nothing()
    {
        var simulation = Loaded(25, o => o with { TtftMilliseconds = 1000, MaxRunning = 1 });
        Teach(simulation);
        simulation.Demand = Demand(TrainingPhase.Forward, 10_000);
        simulation.Add(800, 10, isCopy: true);

        Assert.True(simulation.Plan().HasTraining);
    }

    [Theory]
    [InlineData(100, 0, 100, 100, 20, 80)] // 10 ms of prompt have 700: the TPOT leaves more for finetuning
    [InlineData(300, 940, 100, 150, 0, 0)] // 30 ms have 42: all that the TPOT leaves
    public void Prompts_have_what_the_tpot_leaves_before_finetuning(int prompt, int waited, int leastPrompt, int mostPrompt, int least, int most)
    {
        var simulation = Loaded(25, o => o with { TtftMilliseconds = 1000 });
        Teach(simulation);
        simulation.Demand = Demand(TrainingPhase.Forward, 10_000);
        simulation.Add(prompt, 10, firstToken: 9_000);
        simulation.Now += TimeSpan.FromMilliseconds(waited);

        var batch = simulation.Plan();

        Assert.InRange(batch.PromptTokens, leastPrompt, mostPrompt);
        Assert.InRange(batch.TrainingForwardTokens, least, most);
    }

    [Theory]
    [InlineData(0, 80, 100)] // 9 ms are left beside decoding
    [InlineData(950, 80, 100)] // and no more when the first token is due: those that decode would pay for it
    public void A_prompt_is_cut_to_what_the_tpot_leaves(int waited, int least, int most)
    {
        var simulation = Loaded(20, o => o with { TtftMilliseconds = 1000 });
        Teach(simulation);
        simulation.Add(400, 10, firstToken: 9_000);
        simulation.Now += TimeSpan.FromMilliseconds(waited);

        Assert.InRange(simulation.Plan().PromptTokens, least, most);
    }

    [Theory]
    [InlineData(0, IterationBudget.SmallestUseful, 40)]
    [InlineData(950, 400, 400)] // nothing keeps the TPOT; the TTFT can be kept
    public void Where_decoding_alone_misses_its_objective_prompts_get_what_their_ttft_needs(int waited, int least, int most)
    {
        var simulation = Loaded(5, o => o with { TtftMilliseconds = 1000 });
        Teach(simulation);
        simulation.Add(400, 10, firstToken: 9_000);
        simulation.Now += TimeSpan.FromMilliseconds(waited);

        Assert.InRange(simulation.Plan().PromptTokens, least, most);
    }
}
