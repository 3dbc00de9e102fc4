namespace AiFabric.Gateway.Limits;

/// <summary>What one request spends of its tenant's tokens: an estimate at first, corrected by what the answer says. For one thread at a time.</summary>
/// <param name="budget">The tenant's.</param>
/// <param name="promptTokens">What was taken for the prompt.</param>
/// <param name="time">The clock.</param>
public sealed class Spending(TenantBudget budget, long promptTokens, TimeProvider time)
{
    private long _spent = promptTokens;

    /// <summary>Counts events of a stream as they come: one is about one token, and the last ones may say how many there were.</summary>
    public void CountEvents(ReadOnlySpan<byte> events)
    {
        if (UsageReader.TotalTokens(events) is { } total)
            Settle(total);
        else
            Spend(events.Count("\n\n"u8));
    }

    /// <summary>The answer said how many tokens there were in all.</summary>
    public void Settle(long totalTokens) => Spend(totalTokens - _spent);

    /// <summary>The request ended before its answer did, and this many tokens were used at least: what was taken for the prompt is not given back.</summary>
    public void SettleAtLeast(long totalTokens) => Spend(Math.Max(0, totalTokens - _spent));

    private void Spend(long tokens)
    {
        _spent += tokens;
        budget.Spend(tokens, time.GetElapsedTime(0));
    }
}
