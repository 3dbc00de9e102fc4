using System.Collections.Concurrent;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;

namespace AiFabric.Operator.Models;

/// <summary>Carries out a <see cref="BudgetPlan"/>.</summary>
internal sealed class BudgetExecutor(OwnedObjects objects, IEventRecorder events)
{
    /// <summary>By the model's uid, what was last told of its budget: it is told once, not at each look.</summary>
    private readonly ConcurrentDictionary<string, string> _told = new();

    /// <summary>Writes it. That it cannot be is no condition, for the model serves all the same: an event tells it.</summary>
    /// <exception cref="KubernetesApiException">The API server failed.</exception>
    public async Task ApplyAsync(CoServedModel model, BudgetPlan plan, CancellationToken cancellationToken)
    {
        Check applied = await objects.ApplyAsync(plan.Apply, cancellationToken);
        Check removed = await objects.DeleteAsync(plan.Remove, cancellationToken);
        await TellAsync(model, Check.FirstFailure([plan.Possible, applied, removed]), cancellationToken);
    }

    /// <summary>Forgets a model that is gone.</summary>
    public void Forget(CoServedModel model) => _told.TryRemove(model.Metadata.Uid, out _);

    private async Task TellAsync(CoServedModel model, Check? failure, CancellationToken cancellationToken)
    {
        if (failure is not { } failed)
        {
            Forget(model);
            return;
        }
        if (_told.TryGetValue(model.Metadata.Uid, out string? told) && told == failed.Reason)
            return;
        _told[model.Metadata.Uid] = failed.Reason;
        await events.RecordAsync(model, EventType.Warning, failed.Reason, failed.Message, cancellationToken);
    }
}
