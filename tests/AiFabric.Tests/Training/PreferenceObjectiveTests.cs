using AiFabric.Engine.Training.Objectives;
using AiFabric.Engine.Training.Planning;
using Xunit;

namespace AiFabric.Tests.Training;

public sealed class PreferenceObjectiveTests
{
    [Fact]
    public void Before_the_adapter_does_anything_the_loss_is_that_of_a_coin()
    {
        var objective = Heard(3, 5, 3, 5);
        Assert.Equal(Math.Log(2), objective.Loss, 12);
        Assert.Equal(objective.KnownBaseLoss, objective.Loss);
        Assert.Equal((0.05, -0.05), (objective.Factor(Learn(0)), objective.Factor(Learn(1))));
    }

    [Theory]
    [InlineData(3, 5, 2, 6)]
    [InlineData(3, 5, 4, 4)]
    [InlineData(300, 500, 100, 900)] // far into the flat part
    [InlineData(300, 500, 900, 100)] // far into the steep one
    public void Factors_are_the_loss_by_each_sequences_loss(double referenceChosen, double referenceRejected, double chosen, double rejected)
    {
        const double Step = 1e-5;
        var objective = Heard(referenceChosen, referenceRejected, chosen, rejected);
        double byChosen = (Heard(referenceChosen, referenceRejected, chosen + Step, rejected).Loss - Heard(referenceChosen, referenceRejected, chosen - Step, rejected).Loss) / (2 * Step);
        double byRejected = (Heard(referenceChosen, referenceRejected, chosen, rejected + Step).Loss - Heard(referenceChosen, referenceRejected, chosen, rejected - Step).Loss) / (2 * Step);
        Assert.Equal(byChosen, objective.Factor(Learn(0)), 6);
        Assert.Equal(byRejected, objective.Factor(Learn(1)), 6);
        Assert.True(double.IsFinite(objective.Loss));
    }

    [Fact]
    public void A_pair_runs_through_its_passes_and_ends_with_the_backward_of_both()
    {
        var cursor = new TrainingCursor(
            new TrainingPlan(1, 1, 1, null, 0), [2, 3], [1, 1], checkpointInterval: 1, step: 0, baseEvaluated: false, TrainingProgram.Preference);
        var trace = new List<string>();
        while (cursor.Activity != TrainingActivity.Finished)
        {
            if (cursor.Activity == TrainingActivity.Checkpoint)
            {
                trace.Add("Checkpoint");
                cursor.CheckpointSaved();
                continue;
            }

            trace.Add($"{cursor.Activity} {cursor.Pass.Kind} {cursor.Sample}");
            cursor.Advance(cursor.Next(9));
        }

        Assert.Equal(
            [
                "Forward Reference 0", "Forward Reference 1", "Forward Score 0", "Forward Learn 1", "Backward Learn 1", "Forward Learn 0", "Backward Learn 0", "Checkpoint",
                "EvaluateAdapter Reference 0", "EvaluateAdapter Reference 1", "EvaluateAdapter Score 0", "EvaluateAdapter Score 1",
            ],
            trace);
    }

    private static TrainingPass Learn(int side) => new(TrainingPassKind.Learn, side);

    // In two windows each, as sequences run.
    private static PreferenceObjective Heard(double referenceChosen, double referenceRejected, double chosen, double rejected)
    {
        var objective = new PreferenceObjective(0.1);
        objective.Begin();
        foreach (double part in (double[])[0.25, 0.75])
        {
            objective.Hear(new TrainingPass(TrainingPassKind.Reference, 0), part * referenceChosen);
            objective.Hear(new TrainingPass(TrainingPassKind.Reference, 1), part * referenceRejected);
            objective.Hear(new TrainingPass(TrainingPassKind.Score, 0), part * chosen);
            objective.Hear(Learn(1), part * rejected);
        }

        return objective;
    }
}
