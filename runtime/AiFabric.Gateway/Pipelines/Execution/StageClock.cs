namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>The time that one call may take. It stands still while the call is made to wait by those after it, and begins anew then.</summary>
internal sealed class StageClock(TimeSpan limit, TimeProvider time) : IDisposable
{
    private readonly CancellationTokenSource _out = new(limit, time);

    public TimeSpan Limit => limit;

    public CancellationToken Token => _out.Token;

    public void Pause() => _out.CancelAfter(Timeout.InfiniteTimeSpan);

    public void Resume() => _out.CancelAfter(limit);

    public void Dispose() => _out.Dispose();
}
