using Polly;
using Polly.Retry;

namespace AiFabric.Worker.Storage.Transfer;

/// <summary>How often and when something is tried again.</summary>
internal static class Retries
{
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(5);

    /// <summary>A few quick tries for what may pass by itself: 1 s, 2 s, 4 s, … each with jitter, or as the server asks.</summary>
    public static ResiliencePipeline ForTransfers(TimeProvider time, TimeSpan first, int attempts) => Build(time, new RetryStrategyOptions
    {
        ShouldHandle = new PredicateBuilder().Handle<DownloadException>(e => e.IsRetryable),
        MaxRetryAttempts = attempts,
        Delay = first,
        MaxDelay = TimeSpan.FromSeconds(30),
    });

    /// <summary>Tries for ever, for whoever waits is told why each time; refusals too, since access may be granted meanwhile.</summary>
    /// <param name="time">The clock of the waits.</param>
    /// <param name="first">The first wait; doubles up to two minutes.</param>
    /// <param name="failed">Told of each failure and the wait after it.</param>
    public static ResiliencePipeline ForEver(TimeProvider time, TimeSpan first, Action<DownloadException, TimeSpan> failed) => Build(time, new RetryStrategyOptions
    {
        ShouldHandle = new PredicateBuilder().Handle<DownloadException>(),
        MaxRetryAttempts = int.MaxValue,
        Delay = first,
        MaxDelay = TimeSpan.FromMinutes(2),
        OnRetry = retry =>
        {
            if (retry.Outcome.Exception is DownloadException e)
                failed(e, retry.RetryDelay);
            return default;
        },
    });

    private static ResiliencePipeline Build(TimeProvider time, RetryStrategyOptions options)
    {
        options.BackoffType = DelayBackoffType.Exponential;
        options.UseJitter = true;
        // Null leaves it to the backoff.
        options.DelayGenerator = retry => ValueTask.FromResult(
            (retry.Outcome.Exception as DownloadException)?.RetryAfter is { } asked ? asked < LongestRetryAfter ? asked : LongestRetryAfter : (TimeSpan?)null);
        return new ResiliencePipelineBuilder { TimeProvider = time }.AddRetry(options).Build();
    }
}
