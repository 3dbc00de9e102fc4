using System.Diagnostics.CodeAnalysis;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator.Gateways;

namespace AiFabric.Operator.Models;

/// <summary>
/// Asks the gateways for their demand and wakes the models whose replicas are to change: one question for all models, and none while no model has
/// <c>scaling</c>.
/// </summary>
internal sealed class DemandPoller(
    IStore<CoServedModel> models, IGatewayDirectory gateways, ScaleBook scales, TimeProvider time, ILogger<DemandPoller> logger) : IWakeSource
{
    /// <summary>A held request should not wait a second before anybody learns of it.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromMilliseconds(500);

    public async Task RunAsync(Action<NamespacedName> wake, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
            await LookOrLogAsync(wake, cancellationToken);
    }

    /// <summary>The loop's top: what goes wrong once must not end the looking.</summary>
    [SuppressMessage("Design", "CA1031", Justification = "The top of a loop that must go on. It logs the exception.")]
    private async Task LookOrLogAsync(Action<NamespacedName> wake, CancellationToken cancellationToken)
    {
        try
        {
            await LookAsync(wake, cancellationToken);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Log.DemandUnknown(logger, e);
        }
    }

    private async Task LookAsync(Action<NamespacedName> wake, CancellationToken cancellationToken)
    {
        CoServedModel[] scaled = [.. models.List().Where(model => model.Spec.Scaling is not null)];
        scales.Keep(scaled.Select(model => model.Metadata.Uid).ToHashSet());
        if (scaled.Length == 0)
            return;
        DemandView demand = await gateways.AskDemandAsync(cancellationToken);
        foreach (CoServedModel model in scaled)
        {
            if (scales.Input(model, demand) is not { } input)
                continue;
            ScalePlan plan = ScalePlanner.Plan(input);
            scales.Remember(model, plan.History);
            if (plan.Replicas != input.Running)
                wake(NamespacedName.Of(model));
        }
    }
}
