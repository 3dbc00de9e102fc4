using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Routing;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Holding;

/// <summary>
/// Where requests wait that no worker can take yet: their model is at zero replicas, still loads, or was just lost. Each new routing table lets go
/// those that it has an answer for. How many wait, how many bytes they hold and how long is bounded.
/// </summary>
public sealed class WaitingRoom : IDisposable
{
    private readonly RouteKeeper _routes;
    private readonly DemandBook _demand;
    private readonly TimeProvider _time;
    private readonly TimeSpan _patience;
    private readonly WaitingLine _line;
    private readonly CancellationTokenRegistration _stopping;

    public WaitingRoom(RouteKeeper routes, DemandBook demand, IOptions<GatewayOptions> options, TimeProvider time, IHostApplicationLifetime lifetime)
    {
        GatewayOptions settings = options.Value;
        (_routes, _demand, _time, _patience) = (routes, demand, time, TimeSpan.FromSeconds(settings.HoldSeconds));
        _line = new WaitingLine(new HoldBounds(settings.HeldRequests, settings.HeldRequestsPerModel, settings.HeldBytes));
        _routes.Published += LetGo;
        _stopping = lifetime.ApplicationStopping.Register(_line.Close);
    }

    /// <summary>Finds where a request may go; waits while its model has no worker.</summary>
    /// <param name="name">What the client asked for.</param>
    /// <param name="bytes">Size of the body that is kept in memory meanwhile.</param>
    /// <param name="cancellationToken">Ends when the client leaves.</param>
    /// <returns>Never <see cref="RouteChoice.NotReady"/>; or why the request cannot wait (any longer).</returns>
    /// <exception cref="OperationCanceledException">The client left.</exception>
    public async Task<(RouteChoice? Choice, OpenAIError? Refusal)> AdmitAsync(ModelName name, long bytes, CancellationToken cancellationToken)
    {
        RouteChoice choice = _routes.Table.Find(name);
        if (choice is not RouteChoice.NotReady first)
            return (choice, null);
        if (_patience == TimeSpan.Zero)
            return (null, OpenAIError.NotReady(name.Text));

        using var deadline = new CancellationTokenSource(_patience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        long arrived = _time.GetTimestamp();
        string served = _routes.Table.ServedName(first.Model);
        HoldEnd end = HoldEnd.Released;
        while (choice is RouteChoice.NotReady absent && end == HoldEnd.Released)
        {
            end = await WaitAsync(new Waiter(name, absent.Model, bytes), either.Token);
            choice = _routes.Table.Find(name);
        }

        if (cancellationToken.IsCancellationRequested)
            end = HoldEnd.ClientGone;
        GatewayMetrics.HeldTotal.WithLabels(served, end.ToString()).Inc();
        GatewayMetrics.HeldSeconds.Observe(_time.GetElapsedTime(arrived).TotalSeconds);
        cancellationToken.ThrowIfCancellationRequested();
        return end switch
        {
            HoldEnd.Released => (choice, null),
            HoldEnd.Full => (null, OpenAIError.TooManyWait(name.Text)),
            HoldEnd.Stopping => (null, OpenAIError.ShuttingDown()),
            _ => (null, OpenAIError.NotReady(name.Text)),
        };
    }

    public void Dispose()
    {
        _routes.Published -= LetGo;
        _stopping.Dispose();
    }

    private async Task<HoldEnd> WaitAsync(Waiter waiter, CancellationToken cancellationToken)
    {
        // Asked again once nobody can be let go: a table published meanwhile would not find who is not yet in the line.
        if (_line.Enter(waiter, () => _routes.Table.Find(waiter.Name) is RouteChoice.NotReady) is { } refused)
            return refused;
        using IDisposable held = _demand.CountHeld(waiter.Model); // Who has no place does not wait.
        Measure();
        await using CancellationTokenRegistration leave = cancellationToken.Register(() => _line.Leave(waiter, HoldEnd.TimedOut));
        HoldEnd end = await waiter.Ended;
        Measure();
        return end;
    }

    private void LetGo(RoutingTable table)
    {
        if (_line.Size.Requests == 0)
            return;
        // On a thread of its own: requests that set out must not hold up the making of tables.
        ThreadPool.UnsafeQueueUserWorkItem(
            newest =>
            {
                var answered = new Dictionary<ModelName, bool>();
                _line.Release(HoldEnd.Released, waiter =>
                {
                    if (!answered.TryGetValue(waiter.Name, out bool known))
                        answered[waiter.Name] = known = newest.Find(waiter.Name) is not RouteChoice.NotReady;
                    return known;
                });
            },
            table, preferLocal: false);
    }

    private void Measure()
    {
        (int requests, long bytes) = _line.Size;
        GatewayMetrics.Held.Set(requests);
        GatewayMetrics.HeldBytes.Set(bytes);
    }
}
