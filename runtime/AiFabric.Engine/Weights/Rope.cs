namespace AiFabric.Engine.Weights;

/// <summary>Rotary embeddings of a model's layers (Su et al., arXiv 2104.09864).</summary>
/// <param name="Theta">Base of the frequencies.</param>
/// <param name="Scaling">What was done to reach further than the model was first trained for; null for nothing.</param>
public sealed record Rope(double Theta, RopeScaling? Scaling = null)
{
    /// <summary>Factor on cosines and sines.</summary>
    public double Magnitude => Scaling?.Magnitude ?? 1;

    /// <summary>[headSize / 2]: radians that a position adds to the angle of pair i.</summary>
    public double[] Frequencies(int headSize)
    {
        var frequencies = new double[headSize / 2];
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = Math.Pow(Theta, -2.0 * i / headSize);
        Scaling?.Apply(frequencies, Theta);
        return frequencies;
    }
}

/// <summary>One of the ways to stretch rotary embeddings. All keep a position's angles whatever follows it, so that keys can be cached rotated.</summary>
public abstract record RopeScaling
{
    /// <summary>Factor on cosines and sines.</summary>
    public virtual double Magnitude => 1;

    /// <summary>Changes frequencies in place.</summary>
    /// <param name="frequencies">[headSize / 2], descending.</param>
    /// <param name="theta">What they were made from.</param>
    internal abstract void Apply(double[] frequencies, double theta);
}

/// <summary>Positions are divided by a factor (arXiv 2306.15595), <c>linear</c>.</summary>
public sealed record LinearScaling(double Factor) : RopeScaling
{
    internal override void Apply(double[] frequencies, double theta)
    {
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] /= Factor;
    }
}

/// <summary>Llama 3.1's: slow frequencies are divided by a factor, fast ones stay, those between are blended; <c>llama3</c>.</summary>
/// <param name="Factor">Divides the slow ones.</param>
/// <param name="LowFrequencyFactor">Pairs that turn fewer times than this within the original positions are slow.</param>
/// <param name="HighFrequencyFactor">Pairs that turn more often than this are fast.</param>
/// <param name="OriginalPositions">Positions that the model was first trained for.</param>
public sealed record Llama3Scaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalPositions) : RopeScaling
{
    internal override void Apply(double[] frequencies, double theta)
    {
        for (int i = 0; i < frequencies.Length; i++)
        {
            double turns = OriginalPositions * frequencies[i] / (2 * Math.PI);
            double kept = Math.Clamp((turns - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor), 0, 1);
            frequencies[i] *= kept + ((1 - kept) / Factor);
        }
    }
}

/// <summary>YaRN (arXiv 2309.00071): as <see cref="Llama3Scaling"/> with a blend over pairs, and a factor on what is rotated; <c>yarn</c>.</summary>
/// <param name="Factor">Divides the slow frequencies.</param>
/// <param name="OriginalPositions">Positions that the model was first trained for.</param>
/// <param name="BetaFast">Pairs that turn more often than this within the original positions stay.</param>
/// <param name="BetaSlow">Pairs that turn fewer times than this are divided.</param>
/// <param name="AttentionFactor">Factor on cosines and sines.</param>
/// <param name="Truncate">Whether the ends of the blend are rounded outwards to whole pairs.</param>
public sealed record YarnScaling(double Factor, int OriginalPositions, double BetaFast, double BetaSlow, double AttentionFactor, bool Truncate) : RopeScaling
{
    public override double Magnitude => AttentionFactor;

    internal override void Apply(double[] frequencies, double theta)
    {
        int size = 2 * frequencies.Length;
        double first = Pair(BetaFast), last = Pair(BetaSlow);
        if (Truncate)
            (first, last) = (Math.Floor(first), Math.Ceiling(last));
        (first, last) = (Math.Max(first, 0), Math.Min(last, size - 1));
        double width = first == last ? 0.001 : last - first;
        for (int i = 0; i < frequencies.Length; i++)
        {
            double divided = Math.Clamp((i - first) / width, 0, 1);
            frequencies[i] *= 1 - divided + (divided / Factor);
        }

        // The pair that turns so many times within the original positions.
        double Pair(double turns) => size * Math.Log(OriginalPositions / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
    }
}
