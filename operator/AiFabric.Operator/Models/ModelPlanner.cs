using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Workers;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>An adapter on a worker that no Adapter object asks for any more.</summary>
internal sealed record StrayAdapter(WorkerPod Pod, string Name);

/// <summary>A training session on a worker whose job is gone or has ended.</summary>
internal sealed record StraySession(WorkerPod Pod, string Uid);

/// <summary>What to do for a model.</summary>
internal sealed record ModelPlan
{
    /// <summary>Pods there should be.</summary>
    public int Replicas { get; init; }

    /// <summary>How the demand decided them; null when the model has no <c>scaling</c>.</summary>
    public ScalePlan? Scale { get; init; }

    /// <summary>The number of pods before, when <see cref="Scale"/> changes it.</summary>
    public int? Before { get; init; }

    /// <summary>Revision that pods should have; null when the spec is refused, or the Deployment.</summary>
    public string? Revision { get; init; }

    /// <summary>To apply; null when the live one is as wanted.</summary>
    public V1Deployment? Deployment { get; init; }

    /// <summary>To apply; null when the live one is as wanted.</summary>
    public V1Service? Service { get; init; }

    /// <summary>Why nothing is applied; passes otherwise.</summary>
    public Check Refusal { get; init; } = Check.Pass;

    /// <summary>Which of the model's objects the API server refused, and why; passes otherwise.</summary>
    public Check Refused { get; init; } = Check.Pass;

    public BudgetPlan Budget { get; init; } = BudgetPlan.Nothing;

    /// <summary>Readiness gates to write.</summary>
    public IReadOnlyList<GateChange> Gates { get; init; } = [];

    public IReadOnlyList<StrayAdapter> StrayAdapters { get; init; } = [];

    public IReadOnlyList<StraySession> StraySessions { get; init; } = [];
}

/// <summary>Decides what a model needs. Pure.</summary>
internal static class ModelPlanner
{
    /// <summary>Old ReplicaSets kept for a rollback.</summary>
    private const int RevisionHistory = 3;

    public static string DeploymentName(CoServedModel model) => model.Metadata.Name;

    public static string ServiceName(CoServedModel model) => model.Metadata.Name;

    public static ModelPlan Plan(ModelObservation observed, PodSettings settings)
    {
        ScalePlan? scale = observed.Scale is null ? null : ScalePlanner.Plan(observed.Scale);
        var plan = new ModelPlan
        {
            Replicas = scale?.Replicas ?? observed.Model.Spec.Replicas ?? 1,
            Scale = scale,
            Refusal = Refuse(observed),
            Refused = observed.Token,
            Gates = RoutableGate.Plan(observed),
            StrayAdapters = StrayAdapters(observed),
            StraySessions = StraySessions(observed),
        };
        if (!plan.Refusal.Holds || !plan.Refused.Holds)
            return plan; // What runs goes on running as it was last accepted.
        V1PodTemplateSpec template = PodTemplateBuilder.Build(observed.Model, settings, observed.TokenFingerprint);
        V1Deployment deployment = JsonSubset.Stamp(Deployment(observed.Model, template, plan.Replicas));
        V1Service service = JsonSubset.Stamp(Service(observed.Model));
        return plan with
        {
            Revision = template.Metadata.Labels[Labels.Revision],
            Before = observed.Scale is { } input && observed.Deployment is not null && input.Running != plan.Replicas ? input.Running : null,
            Deployment = JsonSubset.Holds(deployment, observed.Deployment) ? null : deployment,
            Service = JsonSubset.Holds(service, observed.Service) ? null : service,
            Budget = BudgetPlanner.Plan(observed, plan.Replicas),
        };
    }

    private static Check Refuse(ModelObservation observed)
    {
        if (observed.Violations.Count > 0)
            return Check.Fail(Reasons.InvalidSpec, string.Join("; ", observed.Violations));
        if (!IsOurs(observed.Model, observed.Deployment?.Metadata))
            return Taken($"Deployment {DeploymentName(observed.Model)}");
        return IsOurs(observed.Model, observed.Service?.Metadata) ? Check.Pass : Taken($"Service {ServiceName(observed.Model)}");

        static Check Taken(string what) =>
            Check.Fail(Reasons.NameTaken, $"a {what} that is not this model's exists: delete it, or rename the model");
    }

    private static bool IsOurs(CoServedModel model, V1ObjectMeta? live) => live is null || OwnedMetadata.IsOwned(model, live);

    private static V1Deployment Deployment(CoServedModel model, V1PodTemplateSpec template, int replicas) => new()
    {
        ApiVersion = "apps/v1",
        Kind = "Deployment",
        Metadata = OwnedMetadata.For(model, DeploymentName(model), "worker"),
        Spec = new V1DeploymentSpec
        {
            Replicas = replicas,
            RevisionHistoryLimit = RevisionHistory,
            Selector = new V1LabelSelector { MatchLabels = OwnedMetadata.SelectorOf(model) },
            // A replica goes only when its successor is ready: a rollout costs no capacity.
            Strategy = new V1DeploymentStrategy
            {
                Type = "RollingUpdate",
                RollingUpdate = new V1RollingUpdateDeployment { MaxSurge = 1, MaxUnavailable = 0 },
            },
            Template = template,
        },
    };

    private static V1Service Service(CoServedModel model) => new()
    {
        ApiVersion = "v1",
        Kind = "Service",
        Metadata = OwnedMetadata.For(model, ServiceName(model), "worker"),
        Spec = new V1ServiceSpec
        {
            Type = "ClusterIP",
            Selector = OwnedMetadata.SelectorOf(model),
            // The control port is left out: nobody but the operator and the gateway has business there.
            Ports = [new V1ServicePort { Name = Ports.Serving, Port = Ports.ServingNumber, TargetPort = Ports.Serving, Protocol = "TCP" }],
        },
    };

    private static List<StrayAdapter> StrayAdapters(ModelObservation observed) =>
    [
        .. from pod in observed.Pods
           where observed.Loads.ContainsKey(pod.Uid)
           from name in observed.Loads[pod.Uid].Adapters
           where !observed.Adapters.Contains(name)
           select new StrayAdapter(pod, name),
    ];

    private static List<StraySession> StraySessions(ModelObservation observed) =>
    [
        .. from pod in observed.Pods
           where observed.Loads.ContainsKey(pod.Uid)
           from session in observed.Loads[pod.Uid].Training
           where !observed.Jobs.Contains(session.Uid)
           select new StraySession(pod, session.Uid),
    ];
}
