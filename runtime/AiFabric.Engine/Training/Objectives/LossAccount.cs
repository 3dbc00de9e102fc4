using AiFabric.Engine.Training.Data;

namespace AiFabric.Engine.Training.Objectives;

/// <summary>Losses of the running batch or evaluation, as the objective counts them.</summary>
/// <param name="objective">What the job makes small.</param>
/// <param name="sides">Sequences of an example.</param>
internal sealed class LossAccount(TrainingObjective objective, int sides)
{
    private double sum;

    /// <summary>The passes of an example are done.</summary>
    public void EndExample() => sum += objective.Loss;

    /// <summary>The mean over examples, by their weights; begins anew.</summary>
    /// <param name="sequences">Those of all examples.</param>
    /// <param name="examples">Indices of those that ended since the last call.</param>
    public double Take(IReadOnlyList<TrainingSample> sequences, IEnumerable<int> examples)
    {
        double loss = sum / Weight(sequences, examples);
        sum = 0;
        return loss;
    }

    /// <summary>What examples weigh together.</summary>
    public long Weight(IReadOnlyList<TrainingSample> sequences, IEnumerable<int> examples)
    {
        long weight = 0;
        Span<int> learned = stackalloc int[sides];
        foreach (int example in examples)
        {
            for (int side = 0; side < sides; side++)
                learned[side] = sequences[(example * sides) + side].LossTokens;
            weight += objective.Weight(learned);
        }

        return weight;
    }
}
