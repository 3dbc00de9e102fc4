using System.Globalization;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Controllers.Events;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Deployments;

/// <summary>Deployment → ReplicaSets.</summary>
internal sealed class DeploymentController(IClusterApi api, EventRecorder events, TimeProvider time, ILogger<DeploymentController> logger)
    : Controller(api, time, logger)
{
    private const string RevisionAnnotation = "deployment.kubernetes.io/revision";

    protected override IReadOnlyList<WatchedType> Watches { get; } =
    [
        new("apps", "deployments", item => [ObjectKey.Of(item)]),
        new("apps", "replicasets", item => ObjectKey.OfOwner(item, V1Deployment.KubeKind)),
    ];

    protected override TimeSpan? Reconcile(ObjectKey key)
    {
        if (Api.Get<V1Deployment>(key.Namespace, key.Name) is not { Metadata.DeletionTimestamp: null } deployment)
        {
            return null;
        }

        // 1. observe
        string hash = TemplateHash.Of(deployment.Spec.Template);
        IReadOnlyList<V1ReplicaSet> sets = [.. Api.OwnedBy<V1ReplicaSet>(key.Namespace, deployment.Metadata.Uid).Where(s => s.Metadata.DeletionTimestamp is null)];
        SetView[] views = [.. sets.Select(View)];
        SetView? current = views.FirstOrDefault(v => sets.Single(s => s.Metadata.Name == v.Name).Metadata.Labels?[TemplateHash.Label] == hash);
        SetView[] old = [.. views.Where(v => v != current)];

        // 2. decide
        RolloutGoal goal = RolloutPlanner.Goal(deployment.Spec);
        RolloutPlan plan = RolloutPlanner.Plan(goal, current, old);

        // 3. act
        long revision = Math.Max(current?.Revision ?? 0, old.Select(s => s.Revision).DefaultIfEmpty().Max() + 1);
        Apply(deployment, plan, hash, revision);
        if (current is not null || plan.CreateNew is not null)
        {
            Annotate<V1Deployment>(key.Namespace, key.Name, revision);
        }

        if (current is not null)
        {
            Annotate<V1ReplicaSet>(key.Namespace, current.Name, revision);
        }

        // The annotation may have moved the resourceVersion; the generation it reports stays the observed one.
        V1Deployment? latest = Api.Get<V1Deployment>(key.Namespace, key.Name);
        if (latest?.Metadata.Uid != deployment.Metadata.Uid)
        {
            return null;
        }

        latest.Metadata.Generation = deployment.Metadata.Generation;
        V1DeploymentStatus status = RolloutStatus.Of(latest, goal, current, old, Now);
        Api.WriteStatus(latest, RolloutStatus.Shown(status));
        return RolloutStatus.UntilDeadline(deployment, status, Now);
    }

    private static SetView View(V1ReplicaSet set) => new(
        set.Metadata.Name,
        set.Spec.Replicas ?? 1,
        set.Status?.Replicas ?? 0,
        set.Status?.ReadyReplicas ?? 0,
        set.Status?.AvailableReplicas ?? 0,
        long.TryParse(set.Metadata.Annotations?.TryGetValue(RevisionAnnotation, out string? r) == true ? r : null, CultureInfo.InvariantCulture, out long revision) ? revision : 0);

    private void Apply(V1Deployment deployment, RolloutPlan plan, string hash, long revision)
    {
        if (plan.CreateNew is { } replicas)
        {
            V1ReplicaSet created = Api.Create(NewSet(deployment, hash, revision, replicas));
            events.Normal(deployment, "ScalingReplicaSet", $"Scaled up replica set {created.Metadata.Name} from 0 to {replicas}");
        }

        foreach ((string name, int wanted) in plan.Scale)
        {
            Api.Modify<V1ReplicaSet>(deployment.Metadata.NamespaceProperty, name, set =>
            {
                int before = set["spec"]?["replicas"]?.GetValue<int>() ?? 1;
                set["spec"]!["replicas"] = wanted;
                events.Normal(deployment, "ScalingReplicaSet", $"Scaled {(wanted > before ? "up" : "down")} replica set {name} from {before} to {wanted}");
            });
        }

        foreach (string name in plan.Remove)
        {
            Api.Delete(new V1ReplicaSet { Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = deployment.Metadata.NamespaceProperty } });
        }
    }

    private static V1ReplicaSet NewSet(V1Deployment deployment, string hash, long revision, int replicas)
    {
        V1PodTemplateSpec template = TypedApi.Parse<V1PodTemplateSpec>(TypedApi.ToJson(deployment.Spec.Template));
        template.Metadata ??= new V1ObjectMeta();
        template.Metadata.Labels = new Dictionary<string, string>(template.Metadata.Labels ?? new Dictionary<string, string>()) { [TemplateHash.Label] = hash };
        return new V1ReplicaSet
        {
            Metadata = new V1ObjectMeta
            {
                Name = $"{deployment.Metadata.Name}-{hash}",
                NamespaceProperty = deployment.Metadata.NamespaceProperty,
                Labels = template.Metadata.Labels,
                Annotations = new Dictionary<string, string> { [RevisionAnnotation] = revision.ToString(CultureInfo.InvariantCulture) },
                OwnerReferences = [TypedApi.ControllerReference(deployment)],
            },
            Spec = new V1ReplicaSetSpec
            {
                Replicas = replicas,
                MinReadySeconds = deployment.Spec.MinReadySeconds,
                Template = template,
                Selector = new V1LabelSelector
                {
                    MatchLabels = new Dictionary<string, string>(deployment.Spec.Selector.MatchLabels ?? new Dictionary<string, string>()) { [TemplateHash.Label] = hash },
                    MatchExpressions = deployment.Spec.Selector.MatchExpressions,
                },
            },
        };
    }

    private void Annotate<T>(string ns, string name, long revision)
        where T : k8s.IKubernetesObject<V1ObjectMeta> =>
        Api.Modify<T>(ns, name, item =>
        {
            var metadata = (JsonObject)item["metadata"]!;
            metadata["annotations"] ??= new JsonObject();
            metadata["annotations"]![RevisionAnnotation] = revision.ToString(CultureInfo.InvariantCulture);
        });
}
