using System.ComponentModel.DataAnnotations;

namespace AiFabric.Kube;

/// <summary>Settings of the controller runtime.</summary>
public sealed class KubernetesOperatorOptions
{
    /// <summary>The operator's name: in events, logs and the lease. Default <c>aifabric-operator</c>.</summary>
    [Required]
    public string Name { get; set; } = "aifabric-operator";

    /// <summary>The one namespace to look at; null (default) for all.</summary>
    public string? Namespace { get; set; }

    /// <summary>Every object is reconciled at least this often. Default 10 hours, as controller-runtime.</summary>
    public TimeSpan ResyncPeriod { get; set; } = TimeSpan.FromHours(10);

    /// <summary>How caches list and watch.</summary>
    public InformerOptions Informers { get; set; } = new();

    /// <summary>How retries are spaced.</summary>
    public RateLimitOptions RateLimit { get; set; } = new();

    /// <summary>Whether and how one of several operators is made the active one.</summary>
    public LeaderElectionOptions LeaderElection { get; set; } = new();
}

/// <summary>How a cache lists and watches.</summary>
public sealed class InformerOptions
{
    /// <summary>Objects per page of a list. Default 500, as kubectl.</summary>
    [Range(1, 10_000)]
    public int PageSize { get; set; } = 500;

    /// <summary>A watch with neither event nor bookmark for this long is torn down and opened anew. Default 2 minutes (servers send a bookmark about once a minute).</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>The server is asked to close a watch after this time. Default 5 minutes, so that a move to another server evens out the load.</summary>
    public TimeSpan WatchTimeout { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Wait after the first failure; doubles with each further one. Default 200 ms.</summary>
    public TimeSpan MinBackoff { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest wait between tries. Default 10 s: so long at most a cache stays behind after the server is back.</summary>
    public TimeSpan MaxBackoff { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Wait before a kind that the server lacks, and may lack, is asked for again. Default 10 minutes.</summary>
    public TimeSpan AbsentKindRecheck { get; set; } = TimeSpan.FromMinutes(10);
}

/// <summary>How retries are spaced: the larger of a delay that doubles per key and an overall token bucket (controller-runtime's defaults).</summary>
public sealed class RateLimitOptions
{
    /// <summary>Delay after a key's first failure; doubles with each further one. Default 5 ms.</summary>
    public TimeSpan BaseDelay { get; set; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The longest delay of one key. Default 1000 s.</summary>
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromSeconds(1000);

    /// <summary>Retries per second over all keys. Default 10.</summary>
    [Range(0.001, 1_000_000)]
    public double RetriesPerSecond { get; set; } = 10;

    /// <summary>Retries that may come at once before the rate holds. Default 100.</summary>
    [Range(1, 1_000_000)]
    public int Burst { get; set; } = 100;
}

/// <summary>Leader election by a Lease of coordination.k8s.io.</summary>
public sealed class LeaderElectionOptions
{
    /// <summary>Default false: this operator is the only one.</summary>
    public bool Enabled { get; set; }

    /// <summary>The lease's name; null takes the operator's name.</summary>
    public string? LeaseName { get; set; }

    /// <summary>The lease's namespace. Default <c>default</c>.</summary>
    [Required]
    public string LeaseNamespace { get; set; } = "default";

    /// <summary>Who holds the lease; null takes host name and a random part.</summary>
    public string? Identity { get; set; }

    /// <summary>Others wait this long after the last renewal before they take over. Default 15 s.</summary>
    public TimeSpan LeaseDuration { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>A leader that could not renew for this long stops. Shorter than <see cref="LeaseDuration"/>. Default 10 s.</summary>
    public TimeSpan RenewDeadline { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Wait between tries to acquire or renew. Default 2 s.</summary>
    public TimeSpan RetryPeriod { get; set; } = TimeSpan.FromSeconds(2);
}
