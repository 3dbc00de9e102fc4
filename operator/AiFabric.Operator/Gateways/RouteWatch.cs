using AiFabric.Crds.Adapters;
using AiFabric.Kube;
using AiFabric.Operator.Objects;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Gateways;

/// <summary>
/// Asks the gateways what they route to, once for all models, and names those for whom it changed. So a model that waits for its route, or lost it,
/// is looked at within one poll, and none has to ask for itself.
/// </summary>
internal sealed class RouteWatch(IGatewayDirectory gateways, IOptions<OperatorOptions> options, TimeProvider time, ILogger<RouteWatch> logger) : IWakeSource
{
    public async Task RunAsync(Action<NamespacedName> wake, CancellationToken cancellationToken)
    {
        GatewayView last = GatewayView.None;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(options.Value.PollMilliseconds), time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
            last = await LookAsync(last, wake, cancellationToken);
    }

    private async Task<GatewayView> LookAsync(GatewayView last, Action<NamespacedName> wake, CancellationToken cancellationToken)
    {
        try
        {
            GatewayView view = await gateways.AskAsync(cancellationToken);
            foreach (NamespacedName model in RouteChanges.Between(last, view))
                wake(model);
            return view;
        }
#pragma warning disable CA1031 // The loop's top: one bad answer must not end the watch.
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            Log.RoutesNotRead(logger, e);
            return last;
        }
    }
}

/// <summary>Names the Adapters of models whose routes changed. Both watches share the gateways' answers.</summary>
internal sealed class AdapterRouteWatch(RouteWatch models, IStore<Adapter> adapters) : IWakeSource
{
    public Task RunAsync(Action<NamespacedName> wake, CancellationToken cancellationToken) => models.RunAsync(
        model =>
        {
            foreach (Adapter adapter in adapters.OfModel(model))
                wake(NamespacedName.Of(adapter));
        },
        cancellationToken);
}
