namespace AiFabric.Operator.Gateways;

/// <summary>An answer that all who ask within a short time share: one question of the gateways serves all models of a round.</summary>
internal sealed class SharedAnswer<T>(Func<CancellationToken, Task<T>> ask, TimeSpan freshness, TimeProvider time) : IDisposable
    where T : class
{
    private readonly SemaphoreSlim _asking = new(1);
    private T? _last;
    private long _asked;

    public async Task<T> GetAsync(CancellationToken cancellationToken)
    {
        await _asking.WaitAsync(cancellationToken);
        try
        {
            if (_last is { } last && time.GetElapsedTime(_asked) < freshness)
                return last;
            (_last, _asked) = (await ask(cancellationToken), time.GetTimestamp());
            return _last;
        }
        finally
        {
            _asking.Release();
        }
    }

    public void Dispose() => _asking.Dispose();
}
