using AiFabric.Engine.Training.Planning;

namespace AiFabric.Engine.Training.Objectives;

/// <summary>
/// Direct preference optimization (Rafailov et al., arXiv 2305.18290, equation 7): −log σ(β · m), the mean over pairs, where the margin m is how
/// much more the adapter raises the log probability of the preferred answer over the base model's than that of the rejected one.
/// </summary>
/// <param name="beta">How closely the adapter is held to the base model.</param>
internal sealed class PreferenceObjective(double beta) : TrainingObjective
{
    private readonly double[] reference = new double[2]; // negative log probabilities by side
    private readonly double[] policy = new double[2];
    private bool scored;

    public override TrainingProgram Program => TrainingProgram.Preference;

    // Without an adapter the margin is 0.
    public override double? KnownBaseLoss => Math.Log(2);

    public override double Loss => Math.Max(-beta * Margin, 0) + Math.Log(1 + Math.Exp(-Math.Abs(beta * Margin)));

    private double Margin => reference[0] - policy[0] - (reference[1] - policy[1]);

    public override bool HearsBackward => false; // They are known before it begins.

    // The preferred sequence was scored before its activations were kept.
    public override bool Hears(TrainingPass pass) => pass is not { Kind: TrainingPassKind.Learn, Side: 0 };

    public override void Begin()
    {
        reference.AsSpan().Clear();
        policy.AsSpan().Clear();
        scored = false;
    }

    public override void Hear(TrainingPass pass, double loss)
    {
        (pass.Kind == TrainingPassKind.Reference ? reference : policy)[pass.Side] += loss;
        scored = true;
    }

    public override long Weight(ReadOnlySpan<int> learnedTokens) => 1;

    public override double Factor(TrainingPass pass)
    {
        if (!scored)
            throw new InvalidOperationException("A pair's gradient is asked for before its losses are known.");
        double pull = beta / (1 + Math.Exp(beta * Margin)); // β · σ(−β · m)
        return pass.Side == 0 ? pull : -pull;
    }
}
