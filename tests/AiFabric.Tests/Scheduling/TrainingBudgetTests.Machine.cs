using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Tests.Scheduling;

// A machine whose iterations cost what a line says, taught to the scheduler.
public sealed partial class TrainingBudgetTests
{
    private static TrainingDemand Demand(TrainingPhase phase, int left) =>
        new(phase, left) { Position = phase == TrainingPhase.Backward ? left : 0, Steps = Steps };

    // One sequence that decodes; an iteration takes 10 ms and 0.1 ms per finetuning token.
    private static Simulation Loaded(double objective, Func<SchedulerOptions, SchedulerOptions>? change = null)
    {
        var simulation = new Simulation(blocks: 1024, batchTokens: 512, change: o =>
        {
            var options = o with { MaxFinetuneTokens = 256, TpotMilliseconds = objective };
            return change?.Invoke(options) ?? options;
        })
        {
            Milliseconds = batch => 10 + (0.1 * (batch.TrainingForwardTokens + batch.PromptTokens)),
            BackwardMilliseconds = BackwardTime,
        };
        simulation.Running = simulation.Add(4, 3000);
        for (int i = 0; i < 10; i++)
            simulation.Step();
        return simulation;
    }

    private static double BackwardTime(BackwardSlice slice) => (0.05 * slice.LossTokens) + (slice.Steps * (1 + (0.02 * slice.Tokens)));

    // Iterations with windows of several sizes, as a demand that shrinks makes them.
    private static void Teach(Simulation simulation)
    {
        for (int i = 0; i < 300; i++)
            simulation.Force(batch => (batch.TrainingForwardTokens, batch.PromptTokens) = (i % 9 * 32, i % 7 * 16));
        Renew(simulation);
    }

    private static void TeachBackward(Simulation simulation)
    {
        var random = new Random(1);
        for (int i = 0; i < 600; i++)
        {
            int tokens = random.Next(16, 256);
            var slice = i % 2 == 0 ? new BackwardSlice(tokens, random.Next(1, tokens), 0) : new BackwardSlice(tokens, 0, random.Next(1, Steps + 1));
            simulation.Force(batch => (batch.Backward, batch.TrainingPosition) = (slice, tokens));
        }
        Renew(simulation);
    }

    // Another that decodes, and is neither ahead of the objective nor behind it.
    private static void Renew(Simulation simulation)
    {
        simulation.Running.RequestCancel();
        simulation.Running = simulation.Add(4, 3000, firstToken: 5_000);
        simulation.Step();
    }
}
