namespace AiFabric.Pretraining.Training;

/// <summary>What each step of a run does: a pure function of the step's number.</summary>
/// <param name="Steps">How many steps the run takes.</param>
/// <param name="CooldownSteps">How many of them, the last, lower the rates to zero.</param>
/// <param name="Windows">Windows of text in a step.</param>
/// <param name="WindowTokens">Tokens in a window: the context length in the end.</param>
/// <param name="MatrixRate">Muon's learning rate at the plateau.</param>
/// <param name="VectorRate">AdamW's learning rate at the plateau.</param>
/// <param name="Seed">Seeds weights and the order of the text.</param>
internal sealed record TrainingPlan(int Steps, int CooldownSteps, int Windows, int WindowTokens, double MatrixRate, double VectorRate, int Seed)
{
    private const int WarmupSteps = 40;
    private const double ShortShare = 0.7;

    public int TokensPerStep => Windows * WindowTokens;

    /// <summary>The share of the plateau's rate: a short warm-up, a plateau, then straight down to zero.</summary>
    public double RateAt(int step)
    {
        double left = (Steps - step) / (double)CooldownSteps;
        return Math.Min(1, Math.Min((step + 1.0) / WarmupSteps, left));
    }

    /// <summary>How many rows a window is cut into: halves at first, because attention over half the length costs half.</summary>
    public int RowsPerWindowAt(int step) => step < Steps * ShortShare ? 2 : 1;

    /// <summary>Where the windows of a step begin: each pass over the text takes every window once, in an order and at an offset of its own.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="streamTokens">The length of the text in tokens.</param>
    public long[] WindowStarts(int step, long streamTokens)
    {
        long perPass = (streamTokens - 1 - WindowTokens) / WindowTokens;
        var starts = new long[Windows];
        for (int i = 0; i < Windows; i++)
        {
            long index = ((long)step * Windows) + i;
            int pass = (int)(index / perPass);
            int[] order = Order(pass, (int)perPass, out int offset);
            starts[i] = offset + ((long)order[index % perPass] * WindowTokens);
        }
        return starts;
    }

    private (int Pass, int[] Order, int Offset)? latest;

    private int[] Order(int pass, int count, out int offset)
    {
        if (latest is not { } known || known.Pass != pass)
        {
            var random = new Random(HashSeed(pass));
            int[] order = [.. Enumerable.Range(0, count)];
            int shift = random.Next(WindowTokens);
            random.Shuffle(order);
            latest = known = (pass, order, shift);
        }
        offset = known.Offset;
        return known.Order;
    }

    private int HashSeed(int pass) => unchecked((Seed * 1_000_003) + pass);
}
