using System.Collections.Concurrent;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Objects;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>
/// Remembers each model's scaling history and puts together what <see cref="ScalePlanner"/> decides by. The histories live in memory: an operator that
/// starts knows nothing of the demand before it, so it takes what runs for recommended and the scale-down delay starts again.
/// </summary>
internal sealed class ScaleBook(IStore<V1Deployment> deployments, IStore<FinetuneJob> jobs, TimeProvider time)
{
    private readonly ConcurrentDictionary<string, ScaleHistory> _histories = new();

    /// <summary>What decides the replicas of <paramref name="model"/>; null when it has no <c>scaling</c>.</summary>
    public ScaleInput? Input(CoServedModel model, DemandView demand)
    {
        if (model.Spec.Scaling is not { } scaling)
            return null;
        NamespacedName key = NamespacedName.Of(model);
        V1Deployment? deployment = deployments.Get(key.Namespace, ModelPlanner.DeploymentName(model));
        return new ScaleInput
        {
            Spec = scaling,
            Running = deployment is null ? ScalePlanner.Initial(scaling) : deployment.Spec?.Replicas ?? 1,
            Demand = demand.Of(key),
            Complete = demand.Complete,
            HasJob = jobs.OfModel(key).Any(FinetuneNeeds.Replica),
            History = _histories.TryGetValue(model.Metadata.Uid, out ScaleHistory? history) ? history : ScaleHistory.Empty,
            Now = time.GetUtcNow(),
        };
    }

    public void Remember(CoServedModel model, ScaleHistory history) => _histories[model.Metadata.Uid] = history;

    /// <summary>Forgets models that are gone or no longer scale.</summary>
    public void Keep(IReadOnlySet<string> uids)
    {
        foreach (string uid in _histories.Keys.Where(uid => !uids.Contains(uid)))
            _histories.TryRemove(uid, out _);
    }
}
