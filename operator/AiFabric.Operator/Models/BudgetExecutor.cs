using System.Collections.Concurrent;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;

namespace AiFabric.Operator.Models;

/// <summary>Carries out a <see cref="BudgetPlan"/>.</summary>
internal sealed class BudgetExecutor(IKubernetesClient client, IEventRecorder events, OperatorMetrics metrics)
{
    /// <summary>By the model's uid, what was last told of its budget: it is told once, not at each look.</summary>
    private readonly ConcurrentDictionary<string, string> _told = new();

    /// <exception cref="KubernetesApiException">The API server refused.</exception>
    public async Task ApplyAsync(CoServedModel model, BudgetPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Apply is { } budget)
        {
            await client.ApplyAsync(budget, cancellationToken: cancellationToken);
            metrics.ObjectWrites.WithLabels("PodDisruptionBudget").Inc();
        }
        if (plan.Remove is { } old)
        {
            await client.DeleteAsync(old, cancellationToken);
            metrics.ObjectWrites.WithLabels("PodDisruptionBudget").Inc();
        }
        await TellAsync(model, plan, cancellationToken);
    }

    /// <summary>Forgets a model that is gone.</summary>
    public void Forget(CoServedModel model) => _told.TryRemove(model.Metadata.Uid, out _);

    private async Task TellAsync(CoServedModel model, BudgetPlan plan, CancellationToken cancellationToken)
    {
        if (plan.Possible.Holds)
        {
            Forget(model);
            return;
        }
        if (_told.TryGetValue(model.Metadata.Uid, out string? told) && told == plan.Possible.Reason)
            return;
        _told[model.Metadata.Uid] = plan.Possible.Reason;
        await events.RecordAsync(model, EventType.Warning, plan.Possible.Reason, plan.Possible.Message, cancellationToken);
    }
}
