namespace AiFabric.Engine.Requests;

/// <summary>
/// Gathers the mean of a sequence's final hidden states, pass by pass. What a pass puts in counts once it is committed, so that a pass that failed
/// can be run again. For the engine's thread, until the sequence has ended.
/// </summary>
/// <param name="size">Numbers of a hidden state.</param>
public sealed class StatePool(int size)
{
    private readonly double[] sum = new double[size];
    private readonly double[] pass = new double[size];
    private int tokens;
    private int passTokens;

    public int Size => size;

    /// <summary>Why what was committed makes no vector; null where it makes one.</summary>
    internal string? Failure => Array.TrueForAll(sum, double.IsFinite)
        ? null
        : "The text's vector is not made of finite numbers: the model's weights, or those of the request's adapter, are damaged or too large.";

    /// <summary>Takes the states of a pass instead of what an earlier one left uncommitted.</summary>
    /// <param name="states">[any number, size]: states, or sums of them.</param>
    /// <param name="count">Tokens they stand for.</param>
    /// <exception cref="ArgumentException">The states are not whole rows.</exception>
    public void Put(ReadOnlySpan<float> states, int count)
    {
        if (states.Length % size != 0)
            throw new ArgumentException($"{states.Length} numbers are no rows of {size}.", nameof(states));
        Array.Clear(pass);
        passTokens = count;
        for (int row = 0; row < states.Length; row += size)
        {
            var state = states.Slice(row, size);
            for (int i = 0; i < state.Length; i++)
                pass[i] += state[i];
        }
    }

    /// <summary>[size]: the mean over all committed tokens.</summary>
    public float[] Mean()
    {
        var mean = new float[size];
        for (int i = 0; i < size; i++)
            mean[i] = (float)(sum[i] / tokens);
        return mean;
    }

    internal void Commit()
    {
        for (int i = 0; i < size; i++)
            sum[i] += pass[i];
        tokens += passTokens;
        passTokens = 0;
        Array.Clear(pass);
    }

    internal void Clear()
    {
        Array.Clear(sum);
        Array.Clear(pass);
        tokens = passTokens = 0;
    }
}
