namespace AiFabric.Engine.Training.Planning;

/// <summary>Which samples each optimizer step reads. A function of its fields alone, so that a resumed job continues with the same data.</summary>
/// <param name="samples">Training samples in the data set.</param>
/// <param name="batchSize">Samples per optimizer step; an epoch's last batch may be smaller.</param>
/// <param name="epochs">Passes over the data.</param>
/// <param name="maxSteps">Optimizer steps at most, or null.</param>
/// <param name="seed">Seed of the shuffles.</param>
public sealed class TrainingPlan(int samples, int batchSize, int epochs, int? maxSteps, long seed)
{
    private readonly int[] order = new int[samples];
    private int orderedEpoch = -1;

    /// <summary>Optimizer steps in one pass over the data.</summary>
    public int StepsPerEpoch { get; } = (samples + batchSize - 1) / batchSize;

    /// <summary>Optimizer steps of the whole job.</summary>
    public int TotalSteps => (int)Math.Min(maxSteps ?? int.MaxValue, (long)StepsPerEpoch * epochs);

    /// <summary>Samples of one step, in the order in which they run. The epoch's order is a seeded shuffle.</summary>
    /// <param name="step">From 0 to <see cref="TotalSteps"/> - 1.</param>
    public int[] BatchAt(int step)
    {
        int epoch = step / StepsPerEpoch;
        if (epoch != orderedEpoch)
        {
            for (int i = 0; i < order.Length; i++)
                order[i] = i;
            new SeededRandom(seed, epoch).Shuffle<int>(order);
            orderedEpoch = epoch;
        }

        int first = step % StepsPerEpoch * batchSize;
        return order[first..Math.Min(first + batchSize, order.Length)];
    }
}
