using AiFabric.Engine.Training.Planning;

namespace AiFabric.Engine.Training.Objectives;

/// <summary>Cross entropy of the next token, the mean over the learned positions of a batch.</summary>
internal sealed class SupervisedObjective : TrainingObjective
{
    private double sum;

    public override TrainingProgram Program => TrainingProgram.Supervised;

    public override double Loss => sum;

    public override bool HearsBackward => true;

    // Backward finds the same.
    public override bool Hears(TrainingPass pass) => pass.Kind != TrainingPassKind.Learn;

    public override void Begin() => sum = 0;

    public override void Hear(TrainingPass pass, double loss) => sum += loss;

    public override long Weight(ReadOnlySpan<int> learnedTokens) => learnedTokens[0];

    public override double Factor(TrainingPass pass) => 1;
}
