using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Validation;
using k8s.Models;

namespace AiFabric.Operator.Pipelines;

/// <summary>All that is known of a pipeline at one moment.</summary>
internal sealed record PipelineObservation
{
    public required Pipeline Pipeline { get; init; }

    public IReadOnlyList<Violation> Violations { get; init; } = [];

    /// <summary>Models of its namespace, by name.</summary>
    public IReadOnlyDictionary<string, CoServedModel> Models { get; init; } = new Dictionary<string, CoServedModel>();

    /// <summary>Adapters of its namespace, by name.</summary>
    public IReadOnlyDictionary<string, Adapter> Adapters { get; init; } = new Dictionary<string, Adapter>();

    /// <summary>Pipelines of its namespace, by name; itself among them.</summary>
    public IReadOnlyDictionary<string, Pipeline> Pipelines { get; init; } = new Dictionary<string, Pipeline>();

    /// <summary>Objects of the function Deployments' names, whoever owns them.</summary>
    public IReadOnlyDictionary<string, V1Deployment> Deployments { get; init; } = new Dictionary<string, V1Deployment>();

    /// <summary>Deployments of functions that belong to this pipeline.</summary>
    public IReadOnlyList<V1Deployment> Owned { get; init; } = [];

    /// <summary>Pods of its functions.</summary>
    public IReadOnlyList<V1Pod> Pods { get; init; } = [];

    public GatewayView Gateways { get; init; } = GatewayView.None;
}

/// <summary>What to do for a pipeline.</summary>
internal sealed record PipelinePlan
{
    /// <summary>Why nothing is applied; passes otherwise.</summary>
    public Check Refusal { get; init; } = Check.Pass;

    /// <summary>Revision that each function's pods should have, by stage.</summary>
    public IReadOnlyDictionary<string, string> Revisions { get; init; } = new Dictionary<string, string>();

    /// <summary>To apply: those that are not as wanted.</summary>
    public IReadOnlyList<V1Deployment> Deployments { get; init; } = [];

    /// <summary>Deployments of stages that are no more.</summary>
    public IReadOnlyList<V1Deployment> Stray { get; init; } = [];

    /// <summary>What the API server said of the Deployments that it refused, by their names.</summary>
    public IReadOnlyDictionary<string, Check> Refused { get; init; } = new Dictionary<string, Check>();
}
