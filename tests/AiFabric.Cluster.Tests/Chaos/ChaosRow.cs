using AiFabric.Cluster.Tests.Load;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>What one fault did.</summary>
/// <param name="Fault">What was done.</param>
/// <param name="Load">How the streams ended that ran meanwhile.</param>
/// <param name="RecoverySeconds">From the fault (or, where it lasts, from its end) until all was as it was.</param>
/// <param name="LeftBehind">Objects and processes that were not there before; empty for none.</param>
/// <param name="Honesty">How long the status told what was not so.</param>
public sealed record ChaosRow(string Fault, LoadResult Load, double RecoverySeconds, IReadOnlyList<string> LeftBehind, Honesty Honesty)
{
    public const string Heading = """
        | fault | streams | failed before first token | ended by error event | cut without one | recovered after | left behind | false Ready | stale count |
        |---|---|---|---|---|---|---|---|---|
        """;

    /// <summary>Streams that broke off without a final event, or that made no sense.</summary>
    public int Cut => Load.Of(StreamEnding.Truncated) + Load.Of(StreamEnding.Malformed);

    public override string ToString() => FormattableString.Invariant(
        $"| {Fault} | {Load.Streams.Count} | {Load.Of(StreamEnding.FailedBeforeFirstToken)} | {Load.Of(StreamEnding.ErrorEvent)} | {Cut} | {RecoverySeconds:0.0} s | {(LeftBehind.Count == 0 ? "nothing" : string.Join(", ", LeftBehind))} | {Honesty.FalseReadySeconds:0.0} s | {Honesty.StaleSeconds:0.0} s |");
}
