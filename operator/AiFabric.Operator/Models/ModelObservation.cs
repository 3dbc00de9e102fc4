using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>All that is known of a model at one moment.</summary>
internal sealed record ModelObservation
{
    public required CoServedModel Model { get; init; }

    public IReadOnlyList<Violation> Violations { get; init; } = [];

    /// <summary>Object of the Deployment's name, whoever owns it.</summary>
    public V1Deployment? Deployment { get; init; }

    /// <summary>Object of the Service's name, whoever owns it.</summary>
    public V1Service? Service { get; init; }

    /// <summary>Object of the PodDisruptionBudget's name, whoever owns it.</summary>
    public V1PodDisruptionBudget? Budget { get; init; }

    /// <summary>Whether the API server knows PodDisruptionBudgets (policy/v1, Kubernetes 1.21).</summary>
    public bool BudgetsServed { get; init; } = true;

    /// <summary>Whether its PodDisruptionBudgets may have an <c>unhealthyPodEvictionPolicy</c> (Kubernetes 1.27).</summary>
    public bool EvictsUnready { get; init; } = true;

    /// <summary>The model's pods, by name.</summary>
    public IReadOnlyList<WorkerPod> Pods { get; init; } = [];

    /// <summary>What ready pods said of themselves, by pod uid; one that did not answer is missing.</summary>
    public IReadOnlyDictionary<string, LoadReport> Loads { get; init; } = new Dictionary<string, LoadReport>();

    /// <summary>How far pods are that are not ready, by pod uid; one that says nothing is missing.</summary>
    public IReadOnlyDictionary<string, ModelLoading> Loadings { get; init; } = new Dictionary<string, ModelLoading>();

    public GatewayView Gateways { get; init; } = GatewayView.None;

    /// <summary>What decides the replicas; null when the model has no <c>scaling</c>.</summary>
    public ScaleInput? Scale { get; init; }

    /// <summary>Names of the Adapters of this model.</summary>
    public IReadOnlySet<string> Adapters { get; init; } = new HashSet<string>();

    /// <summary>Uids of the FinetuneJobs of this model whose end is not written down yet.</summary>
    public IReadOnlySet<string> Jobs { get; init; } = new HashSet<string>();

    /// <summary>Whom its canary and mirror name; nobody when it has neither.</summary>
    public TrafficTargets Targets { get; init; } = TrafficTargets.None;

    public string TokenFingerprint { get; init; } = string.Empty;

    /// <summary>Why there is no control token: the API server refused its Secret; passes otherwise.</summary>
    public Check Token { get; init; } = Check.Pass;
}
