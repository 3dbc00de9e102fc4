namespace AiFabric.Engine.Execution;

/// <summary>The tokens still in the draw, with unnormalized probabilities. Buffers are reused; a draw allocates nothing.</summary>
/// <param name="vocabulary">Size of the vocabulary.</param>
internal sealed class Candidates(int vocabulary)
{
    private readonly int[] tokens = new int[vocabulary];
    private readonly double[] weights = new double[vocabulary];
    private readonly float[] scratch = new float[vocabulary];
    private int count;

    /// <summary>Sum of the weights.</summary>
    public double Total { get; private set; }

    /// <summary>Starts with all tokens, or the k most likely ones (lower ids first among equals).</summary>
    public void Fill(ReadOnlySpan<float> logits, double temperature, int topK)
    {
        float most = float.NegativeInfinity;
        foreach (float logit in logits)
            most = Math.Max(most, logit); // NaN wins, and shows in Total.
        bool all = topK <= 0 || topK >= logits.Length;
        float least = all ? float.NegativeInfinity : KthLargest(logits, topK);
        int ties = all ? int.MaxValue : topK - CountAbove(logits, least);
        (count, Total) = (0, 0);
        for (int token = 0; token < logits.Length; token++)
        {
            float logit = logits[token];
            if (logit < least || float.IsNegativeInfinity(logit) || (logit == least && ties-- <= 0))
                continue;
            Add(token, Math.Exp((logit - most) / temperature));
        }
    }

    /// <summary>Keeps the smallest set of most likely tokens whose share reaches p.</summary>
    public void KeepTopP(double p)
    {
        if (p >= 1)
            return;
        // Tokens below this weight together hold less than 1 − p, so none of them is needed to reach p: they need no sorting.
        double limit = Total * (1 - p) / count, full = Total;
        Keep(limit);
        weights.AsSpan(0, count).Sort(tokens.AsSpan(0, count), static (a, b) => b.CompareTo(a));
        double sum = 0;
        int kept = 0;
        while (kept < count && sum < p * full)
            sum += weights[kept++];
        count = Math.Max(kept, 1);
        Total = kept == 0 ? weights[0] : sum;
    }

    /// <summary>Drops tokens less likely than p times the most likely one.</summary>
    public void KeepMinP(double p)
    {
        if (p <= 0)
            return;
        double most = 0;
        foreach (double weight in weights.AsSpan(0, count))
            most = Math.Max(most, weight);
        Keep(p * most);
    }

    /// <summary>The token at a place of the cumulated distribution.</summary>
    /// <param name="uniform">In [0, 1).</param>
    public int At(double uniform)
    {
        double left = uniform * Total;
        for (int i = 0; i < count - 1; i++)
        {
            left -= weights[i];
            if (left < 0)
                return tokens[i];
        }
        return tokens[count - 1];
    }

    private void Keep(double least)
    {
        int before = count;
        (count, Total) = (0, 0);
        for (int i = 0; i < before; i++)
        {
            if (weights[i] >= least)
                Add(tokens[i], weights[i]);
        }
    }

    private void Add(int token, double weight)
    {
        (tokens[count], weights[count]) = (token, weight);
        count++;
        Total += weight;
    }

    private static int CountAbove(ReadOnlySpan<float> logits, float least)
    {
        int above = 0;
        foreach (float logit in logits)
            above += logit > least ? 1 : 0;
        return above;
    }

    // Quickselect.
    private float KthLargest(ReadOnlySpan<float> logits, int k)
    {
        logits.CopyTo(scratch);
        int low = 0, high = logits.Length - 1, wanted = k - 1;
        while (low < high)
        {
            float pivot = scratch[(low + high) / 2];
            int i = low, j = high;
            while (i <= j)
            {
                while (scratch[i] > pivot)
                    i++;
                while (scratch[j] < pivot)
                    j--;
                if (i > j)
                    break;
                (scratch[i], scratch[j]) = (scratch[j], scratch[i]);
                i++;
                j--;
            }
            if (wanted <= j)
                high = j;
            else if (wanted >= i)
                low = i;
            else
                break;
        }
        return scratch[wanted];
    }
}
