namespace AiFabric.Gateway.Limits;

/// <summary>What is left of a limit, as a client is told.</summary>
/// <param name="Limit">Per minute.</param>
/// <param name="Remaining">What is left now.</param>
/// <param name="Reset">How long until all of it is there again.</param>
public readonly record struct LimitState(long Limit, long Remaining, TimeSpan Reset);

/// <summary>Why a request is refused.</summary>
/// <param name="Kind"><c>requests</c> or <c>tokens</c>.</param>
/// <param name="Limit">Per minute.</param>
/// <param name="Wait">How long until it would be taken.</param>
public sealed record LimitRefusal(string Kind, long Limit, TimeSpan Wait);

/// <summary>One tenant's budgets in this replica. Told the time; safe for many threads.</summary>
public sealed class TenantBudget(TenantLimits limits, TimeSpan now)
{
    private readonly Lock _lock = new();
    private readonly TokenBucket? _requests = limits.RequestsPerMinute is { } requests ? new TokenBucket(requests, now) : null;
    private readonly TokenBucket? _tokens = limits.TokensPerMinute is { } tokens ? new TokenBucket(tokens, now) : null;

    public TenantLimits Limits => limits;

    /// <summary>Takes a request, or says why not. One that is refused spends nothing: asking again too early does not make it later.</summary>
    /// <param name="promptTokens">What its prompt has, as far as is known.</param>
    /// <param name="time">The time.</param>
    public LimitRefusal? TryTake(long promptTokens, TimeSpan time)
    {
        lock (_lock)
        {
            // One token at least, so that a tenant in debt waits whatever it asks.
            long tokens = Math.Max(1, promptTokens);
            if (_requests is not null && !_requests.Has(1, time))
                return new LimitRefusal("requests", _requests.PerMinute, _requests.Until(1, time));
            if (_tokens is not null && !_tokens.Has(tokens, time))
                return new LimitRefusal("tokens", _tokens.PerMinute, _tokens.Until(tokens, time));
            _requests?.Spend(1, time);
            _tokens?.Spend(promptTokens, time);
            return null;
        }
    }

    /// <summary>Counts tokens that were generated, or gives back (negative) what the prompt turned out not to have.</summary>
    public void Spend(long tokens, TimeSpan time)
    {
        lock (_lock)
            _tokens?.Spend(tokens, time);
    }

    /// <summary>What is left; null where nothing is limited.</summary>
    public (LimitState? Requests, LimitState? Tokens) Read(TimeSpan time)
    {
        lock (_lock)
            return (State(_requests, time), State(_tokens, time));
    }

    private static LimitState? State(TokenBucket? bucket, TimeSpan time) =>
        bucket is null ? null : new LimitState(bucket.PerMinute, (long)Math.Max(0, bucket.LevelAt(time)), bucket.Until(bucket.PerMinute, time));
}
