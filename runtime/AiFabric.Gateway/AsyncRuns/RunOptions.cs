using System.ComponentModel.DataAnnotations;

namespace AiFabric.Gateway.AsyncRuns;

/// <summary>Settings of asynchronous pipeline runs, beside the gateway's own in the section <c>Gateway</c>.</summary>
public sealed class RunOptions : IValidatableObject
{
    /// <summary>Folder of this machine's disk for runs, kept in SQLite; null and no <see cref="RunsStateStore"/> answers <c>/v1/pipelines/…/runs</c> with 501.</summary>
    public string? RunsFolder { get; set; }

    /// <summary>Dapr state component that keeps runs instead, shared by all replicas. It must have ETags.</summary>
    public string? RunsStateStore { get; set; }

    /// <summary>Dapr pub/sub component to which life-cycle events go; null sends none.</summary>
    public string? RunsPubSub { get; set; }

    /// <summary>Topic of the events.</summary>
    [Required]
    public string RunsTopic { get; set; } = "aifabric-pipeline-runs";

    /// <summary>gRPC address of the Dapr sidecar; null takes Dapr's own <c>DAPR_GRPC_ENDPOINT</c> or <c>DAPR_GRPC_PORT</c>.</summary>
    public Uri? RunsDaprEndpoint { get; set; }

    /// <summary>Runs that this replica works on at the same time.</summary>
    [Range(1, 10_000)]
    public int RunsConcurrent { get; set; } = 8;

    /// <summary>Runs of all replicas that have not ended, at most; beyond it clients are told 429.</summary>
    [Range(1, 10_000)]
    public int RunsOpen { get; set; } = 1_000;

    /// <summary>Those of one tenant, where API keys tell tenants apart.</summary>
    [Range(1, 10_000)]
    public int RunsOpenPerTenant { get; set; } = 250;

    /// <summary>Runs of one tenant that are kept, ended ones included.</summary>
    [Range(1, 10_000)]
    public int RunsKeptPerTenant { get; set; } = 2_000;

    /// <summary>How long a replica that says nothing more keeps its runs from the others, seconds. Replicas' clocks must differ by less.</summary>
    [Range(2, 3_600)]
    public int RunLeaseSeconds { get; set; } = 30;

    /// <summary>Times that a run is begun whose gateways are lost, before it fails.</summary>
    [Range(1, 100)]
    public int RunAttempts { get; set; } = 3;

    /// <summary>Longest time in which a run may ask to have ended, and the default, seconds.</summary>
    [Range(1, 2_592_000)]
    public int RunWindowSeconds { get; set; } = 86_400;

    /// <summary>Longest time for which a run may ask to be kept after its end, and the default, seconds.</summary>
    [Range(1, 2_592_000)]
    public int RunKeepSeconds { get; set; } = 86_400;

    /// <summary>Whether runs are taken at all.</summary>
    public bool HasRuns => RunsFolder is not null || RunsStateStore is not null;

    public TimeSpan Lease => TimeSpan.FromSeconds(RunLeaseSeconds);

    /// <summary>How long a call of the sidecar may take: some fit into a lease.</summary>
    public TimeSpan Patience => Lease / 4;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (RunsFolder is not null && RunsStateStore is not null)
            yield return new ValidationResult("Gateway:RunsFolder and Gateway:RunsStateStore exclude each other: runs are kept in one place", [nameof(RunsFolder)]);
        if (RunsPubSub is not null && !HasRuns)
            yield return new ValidationResult("Gateway:RunsPubSub needs runs to tell of: set Gateway:RunsFolder or Gateway:RunsStateStore", [nameof(RunsPubSub)]);
    }
}
