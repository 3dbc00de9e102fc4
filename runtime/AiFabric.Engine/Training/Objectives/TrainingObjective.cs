using AiFabric.Engine.Training.Planning;

namespace AiFabric.Engine.Training.Objectives;

/// <summary>What a job makes small. It hears the losses of an example's sequences and says by what factor their gradients count.</summary>
internal abstract class TrainingObjective
{
    public abstract TrainingProgram Program { get; }

    /// <summary>Held-out loss of a base model that needs no passes; null where it does.</summary>
    public virtual double? KnownBaseLoss => null;

    /// <summary>Whether the losses of a pass's forward windows are wanted.</summary>
    public abstract bool Hears(TrainingPass pass);

    /// <summary>Whether the losses that backward finds are wanted.</summary>
    public abstract bool HearsBackward { get; }

    /// <summary>An example begins.</summary>
    public abstract void Begin();

    /// <summary>Part of a sequence's loss.</summary>
    /// <param name="pass">The pass it was found in.</param>
    /// <param name="loss">Sum over learned positions of some window, nats.</param>
    public abstract void Hear(TrainingPass pass, double loss);

    /// <summary>What an example's weight in its batch is counted in.</summary>
    /// <param name="learnedTokens">Learned positions of each of its sequences.</param>
    public abstract long Weight(ReadOnlySpan<int> learnedTokens);

    /// <summary>Gradient of the example's loss by the loss of a sequence that is learned.</summary>
    public abstract double Factor(TrainingPass pass);

    /// <summary>The example's loss, once its passes are done: a sum that belongs to its <see cref="Weight"/>.</summary>
    public abstract double Loss { get; }
}
