namespace AiFabric.Gateway.Streaming;

/// <summary>
/// Ends an attempt whose answer does not begin in time, and then reads of its stream that bring nothing for some time. A stream has thousands of reads and hardly ever one that is late, so the timer is
/// moved on now and then only: a read may last a little longer than it must, never shorter.
/// </summary>
internal sealed class AttemptDeadline : IDisposable
{
    private static readonly TimeSpan MostSlack = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _source;
    private readonly TimeSpan _idle;
    private readonly TimeSpan _slack;
    private long _moved;

    /// <param name="patience">How long the answer may take to begin, and one that is no stream to end.</param>
    /// <param name="idle">How long a read of a stream may bring nothing, at least.</param>
    /// <param name="cut">Ends the attempt at once.</param>
    /// <param name="cancellationToken">The same.</param>
    public AttemptDeadline(TimeSpan patience, TimeSpan idle, CancellationToken cut, CancellationToken cancellationToken)
    {
        (_idle, _slack) = (idle, idle / 8 < MostSlack ? idle / 8 : MostSlack);
        _source = CancellationTokenSource.CreateLinkedTokenSource(cut, cancellationToken);
        _source.CancelAfter(patience);
    }

    public CancellationToken Token => _source.Token;

    /// <summary>The answer has begun and is a stream.</summary>
    public void BeginStream()
    {
        _moved = Environment.TickCount64;
        _source.CancelAfter(_idle + _slack);
    }

    /// <summary>Begins a read of the stream.</summary>
    public CancellationToken BeginRead()
    {
        if (Environment.TickCount64 - _moved >= _slack.TotalMilliseconds)
            BeginStream();
        return _source.Token;
    }

    public void Dispose() => _source.Dispose();
}
