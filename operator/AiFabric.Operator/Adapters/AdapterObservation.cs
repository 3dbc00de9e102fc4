using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;

namespace AiFabric.Operator.Adapters;

/// <summary>A ready replica of the model and what it says of the adapter.</summary>
/// <param name="Pod">The replica.</param>
/// <param name="LoadedDigest">Digest under which it holds the adapter; null when it does not.</param>
/// <param name="Error">Why that is not known; null when it is.</param>
/// <param name="Sent">What this operator last sent to this very process; null when nothing.</param>
internal sealed record AdapterReplica(WorkerPod Pod, string? LoadedDigest, string? Error = null, AdapterRequest? Sent = null);

/// <summary>All that is known of an adapter at one moment.</summary>
internal sealed record AdapterObservation
{
    public required Adapter Adapter { get; init; }

    public IReadOnlyList<Violation> Violations { get; init; } = [];

    public CoServedModel? Model { get; init; }

    /// <summary>The job of <c>source.finetuneJobRef</c>, if there is one of that name.</summary>
    public FinetuneJob? Job { get; init; }

    /// <summary>Where that job writes its adapter.</summary>
    public string? JobOutput { get; init; }

    /// <summary>Ready replicas of the model, by name.</summary>
    public IReadOnlyList<AdapterReplica> Replicas { get; init; } = [];

    public GatewayView Gateways { get; init; } = GatewayView.None;
}

/// <summary>An adapter to load on a replica.</summary>
internal sealed record AdapterLoad(WorkerPod Pod, AdapterRequest Request);

/// <summary>How it stands with the adapter on one replica.</summary>
/// <param name="Pod">The replica.</param>
/// <param name="State">Passes when the adapter is loaded there; else says why it is not.</param>
/// <param name="Refused">Whether the worker refuses it, so that only a change helps.</param>
internal sealed record AdapterOutcome(WorkerPod Pod, Check State, bool Refused = false);

/// <summary>What to do for an adapter.</summary>
internal sealed record AdapterPlan
{
    /// <summary>Why nothing can be loaded; passes otherwise.</summary>
    public Check Refusal { get; init; } = Check.Pass;

    public IReadOnlyList<AdapterLoad> Loads { get; init; } = [];

    /// <summary>Replicas about which nothing is to be done: loaded already, or out of reach.</summary>
    public IReadOnlyList<AdapterOutcome> Settled { get; init; } = [];
}
