using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Shutdown;

/// <summary>
/// The end of a gateway replica: (1) it says that it is not ready and goes on taking requests until load balancers have heard of it; (2) running
/// requests finish; (3) those that are left when the time is over end with an error.
/// </summary>
public sealed class Drain(IOptions<GatewayOptions> options, TimeProvider time, ILogger<Drain> log) : IHostedLifecycleService, IDisposable
{
    /// <summary>What is left after the last request was cut off, to send its error and close.</summary>
    public static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _cut = new();
    private readonly Lock _lock = new();
    private Task? _lingering;
    private ITimer? _deadline;

    /// <summary>Whether new requests should go to other replicas.</summary>
    public bool HasBegun => Volatile.Read(ref _lingering) is not null;

    /// <summary>Cancelled when running requests must end.</summary>
    public CancellationToken Cut => _cut.Token;

    /// <summary>Begins to drain, once; ends when nobody should be sending requests here any more.</summary>
    public Task LingerAsync()
    {
        lock (_lock)
        {
            if (_lingering is null)
                Log.Draining(log, options.Value.DrainSeconds);
            return _lingering ??= Task.Delay(TimeSpan.FromSeconds(options.Value.DrainSeconds), time);
        }
    }

    /// <summary>Runs before any server stops. A preStop hook has done the waiting, if there is one.</summary>
    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await LingerAsync().WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _deadline = time.CreateTimer(_ => CutOff(), null, TimeSpan.FromSeconds(options.Value.ShutdownSeconds), Timeout.InfiniteTimeSpan);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Runs after all servers stopped. Waits for a deadline that passes at this very moment: what it cancels is gone soon.</summary>
    public async Task StoppedAsync(CancellationToken cancellationToken)
    {
        if (_deadline is { } deadline)
            await deadline.DisposeAsync();
    }

    public void Dispose()
    {
        _deadline?.Dispose();
        _cut.Dispose();
    }

    private void CutOff()
    {
        Log.CutOff(log, options.Value.ShutdownSeconds);
        _cut.Cancel();
    }
}
