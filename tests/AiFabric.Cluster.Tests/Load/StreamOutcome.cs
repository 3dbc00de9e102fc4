namespace AiFabric.Cluster.Tests.Load;

/// <summary>How one streamed chat ended, from its client's point of view.</summary>
public enum StreamEnding
{
    /// <summary>Every event in order, a finish reason, and the final event.</summary>
    Complete,

    /// <summary>An error instead of a stream, or no connection: nothing of the answer was seen.</summary>
    FailedBeforeFirstToken,

    /// <summary>A stream that broke off in the middle, but said so by a final error event.</summary>
    ErrorEvent,

    /// <summary>A stream that just stopped: what must never happen.</summary>
    Truncated,

    /// <summary>Events that no client could make sense of: out of order, mixed up, or after the final one.</summary>
    Malformed,
}

/// <summary>One streamed chat.</summary>
/// <param name="Ending">How it ended.</param>
/// <param name="Tokens">Events with text.</param>
/// <param name="Error">What was wrong; null when nothing was.</param>
/// <param name="FirstToken">From the request to the first event with text; null when there was none.</param>
/// <param name="Duration">From the request to the end.</param>
public sealed record StreamOutcome(StreamEnding Ending, int Tokens, string? Error, TimeSpan? FirstToken, TimeSpan Duration);

/// <summary>What came of a load.</summary>
public sealed record LoadResult(IReadOnlyList<StreamOutcome> Streams)
{
    public int Of(StreamEnding ending) => Streams.Count(stream => stream.Ending == ending);

    /// <summary>Streams that did not come to their proper end.</summary>
    public IReadOnlyList<StreamOutcome> Failures => [.. Streams.Where(stream => stream.Ending != StreamEnding.Complete)];

    /// <summary>Whether the failure came when the client had seen a part of the answer.</summary>
    public int FailedAfterFirstToken => Failures.Count(stream => stream.Tokens > 0);

    /// <summary>One line for a report.</summary>
    public override string ToString()
    {
        double[] waits = [.. Streams.Select(stream => stream.FirstToken?.TotalMilliseconds).OfType<double>().Order()];
        string times = waits.Length == 0 ? "no first token" : FormattableString.Invariant(
            $"first token after {waits[waits.Length / 2]:0} ms (median), {waits[Math.Min(waits.Length - 1, waits.Length * 99 / 100)]:0} ms (p99)");
        IEnumerable<string> endings = Enum.GetValues<StreamEnding>().Where(ending => Of(ending) > 0).Select(ending => $"{Of(ending)} {ending}");
        IEnumerable<string> errors = Failures.GroupBy(stream => stream.Error).Select(group => $"{group.Count()}x {group.Key}");
        return $"{Streams.Count} streams: {string.Join(", ", endings)}; {times}{(Failures.Count == 0 ? "" : "; " + string.Join("; ", errors))}";
    }
}
