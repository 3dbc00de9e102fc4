namespace AiFabric.Gateway.Streaming;

/// <summary>
/// Ends reads that bring nothing for some time. A stream has thousands of reads and hardly ever one that is late, so the timer is moved on now and then only: a
/// read may last a little longer than it must, never shorter.
/// </summary>
internal sealed class IdleDeadline : IDisposable
{
    private static readonly TimeSpan MostSlack = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _source;
    private readonly TimeSpan _idle;
    private readonly TimeSpan _slack;
    private long _moved;

    /// <param name="idle">How long a read may bring nothing, at least.</param>
    /// <param name="cut">Ends reads at once.</param>
    /// <param name="cancellationToken">The same.</param>
    public IdleDeadline(TimeSpan idle, CancellationToken cut, CancellationToken cancellationToken)
    {
        (_idle, _slack) = (idle, idle / 8 < MostSlack ? idle / 8 : MostSlack);
        _source = CancellationTokenSource.CreateLinkedTokenSource(cut, cancellationToken);
        Move();
    }

    /// <summary>Begins a read.</summary>
    public CancellationToken Begin()
    {
        if (Environment.TickCount64 - _moved >= _slack.TotalMilliseconds)
            Move();
        return _source.Token;
    }

    public void Dispose() => _source.Dispose();

    private void Move()
    {
        _moved = Environment.TickCount64;
        _source.CancelAfter(_idle + _slack);
    }
}
