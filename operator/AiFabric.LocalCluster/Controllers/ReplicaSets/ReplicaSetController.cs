using AiFabric.LocalCluster.Controllers.Events;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.ReplicaSets;

/// <summary>ReplicaSet → Pods.</summary>
internal sealed class ReplicaSetController(IClusterApi api, EventRecorder events, TimeProvider time, ILogger<ReplicaSetController> logger)
    : Controller(api, time, logger)
{
    protected override IReadOnlyList<WatchedType> Watches { get; } =
    [
        new("apps", "replicasets", item => [ObjectKey.Of(item)]),
        new("", "pods", item => ObjectKey.OfOwner(item, V1ReplicaSet.KubeKind)),
    ];

    protected override TimeSpan? Reconcile(ObjectKey key)
    {
        if (Api.Get<V1ReplicaSet>(key.Namespace, key.Name) is not { Metadata.DeletionTimestamp: null } set)
        {
            return null;
        }

        ReplicaSetPlan plan = ReplicaSetPlanner.Plan(set, Api.OwnedBy<V1Pod>(key.Namespace, set.Metadata.Uid), Now);
        for (int i = 0; i < plan.Create; i++)
        {
            V1Pod pod = Api.Create(PodFactory.From(set, set.Spec.Template, $"{set.Metadata.Name}-"));
            events.Normal(set, "SuccessfulCreate", $"Created pod: {pod.Metadata.Name}");
        }

        foreach (V1Pod pod in plan.Delete)
        {
            Api.Delete(pod);
            events.Normal(set, "SuccessfulDelete", $"Deleted pod: {pod.Metadata.Name}");
        }

        Api.WriteStatus(set, plan.Status);
        return plan.CheckAfter;
    }
}
