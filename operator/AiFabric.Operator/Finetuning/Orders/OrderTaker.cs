using System.Diagnostics.CodeAnalysis;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Gateways;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Finetuning.Orders;

/// <summary>
/// Takes the orders that clients placed at the gateways over into FinetuneJobs, for the gateway itself writes nothing to the API server. Orders lie on the gateways' disk
/// until they have ended, so that each look starts from the whole truth and nothing is lost when either side is killed.
/// </summary>
internal sealed class OrderTaker(
    IGatewayDirectory gateways, IStore<FinetuneJob> jobs, IKubernetesClient client, IOptions<OperatorOptions> options, TimeProvider time, ILogger<OrderTaker> logger) : IWakeSource
{
    /// <summary>Its own, for what it wants of a job is not what the job's controller wants.</summary>
    public const string FieldManager = "aifabric-orders";

    public async Task RunAsync(Action<NamespacedName> wake, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(options.Value.PollMilliseconds), time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
            await LookOrLogAsync(cancellationToken);
    }

    /// <summary>The loop's top: what goes wrong once must not end the looking.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The top of a loop that must go on. It logs the exception.")]
    private async Task LookOrLogAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (PlacedOrder placed in await gateways.AskOrdersAsync(cancellationToken))
                await TakeAsync(placed, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Log.OrdersNotTaken(logger, e);
        }
    }

    private async Task TakeAsync(PlacedOrder placed, CancellationToken cancellationToken)
    {
        FinetuneJob? live = jobs.Get(placed.Order.Namespace, placed.Order.Id);
        var name = new NamespacedName(placed.Order.Namespace, placed.Order.Id);
        try
        {
            switch (OrderPlanner.Plan(placed.Order, live))
            {
                case OrderPlan.Apply apply:
                    await client.ApplyAsync(apply.Job, FieldManager, cancellationToken: cancellationToken);
                    Log.OrderTaken(logger, name, placed.Order.Model, placed.Order.Suspend);
                    break;
                case OrderPlan.Delete when live is not null:
                    await client.DeleteAsync(live, cancellationToken);
                    Log.OrderCancelled(logger, name);
                    break;
                case OrderPlan.Refuse refuse:
                    await gateways.RefuseAsync(placed, refuse.Message, cancellationToken);
                    break;
                default:
                    break;
            }
        }
        catch (KubernetesApiException e) when (e.IsRefusal && live is null)
        {
            // It would be refused for ever: a rule of the cluster's, a quota, a namespace that this operator may not write to.
            Log.OrderRefused(logger, name, e);
            await gateways.RefuseAsync(placed, e.Message, cancellationToken);
        }
        catch (KubernetesApiException e) when (e.IsNotFound || e.IsConflict)
        {
            Log.OrderRefused(logger, name, e); // The next look sees what is there now.
        }
    }
}
