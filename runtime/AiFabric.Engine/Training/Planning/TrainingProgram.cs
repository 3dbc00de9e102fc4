namespace AiFabric.Engine.Training.Planning;

/// <summary>What a pass of a sequence is for.</summary>
public enum TrainingPassKind
{
    /// <summary>Forward without the adapter: what the base model makes of it.</summary>
    Reference,

    /// <summary>Forward with the adapter, for its loss alone.</summary>
    Score,

    /// <summary>Forward with the adapter, then backward.</summary>
    Learn,
}

/// <summary>One pass of one sequence of an example.</summary>
/// <param name="Kind">What it is for.</param>
/// <param name="Side">Which sequence of the example.</param>
public readonly record struct TrainingPass(TrainingPassKind Kind, int Side);

/// <summary>Through which passes an objective sends an example.</summary>
/// <param name="Sides">Sequences of an example, which lie one after the other in lists of sequences.</param>
/// <param name="Train">Passes of a training example; ends with <see cref="TrainingPassKind.Learn"/>.</param>
/// <param name="Evaluate">Passes of a held-out example with the adapter, without backward.</param>
/// <param name="EvaluateBase">The same for the base model; empty when nothing has to be computed to know its loss.</param>
public sealed record TrainingProgram(
    int Sides, IReadOnlyList<TrainingPass> Train, IReadOnlyList<TrainingPass> Evaluate, IReadOnlyList<TrainingPass> EvaluateBase)
{
    /// <summary>One sequence, learned.</summary>
    public static TrainingProgram Supervised { get; } =
        new(1, [new(TrainingPassKind.Learn, 0)], [new(TrainingPassKind.Score, 0)], [new(TrainingPassKind.Reference, 0)]);

    /// <summary>
    /// A preferred sequence and a rejected one. Each one's gradient depends on the losses of both; only one's activations are held, so that the
    /// preferred one runs forward twice.
    /// </summary>
    public static TrainingProgram Preference { get; } = new(
        2,
        [new(TrainingPassKind.Reference, 0), new(TrainingPassKind.Reference, 1), new(TrainingPassKind.Score, 0), new(TrainingPassKind.Learn, 1), new(TrainingPassKind.Learn, 0)],
        [new(TrainingPassKind.Reference, 0), new(TrainingPassKind.Reference, 1), new(TrainingPassKind.Score, 0), new(TrainingPassKind.Score, 1)],
        []);
}
