using System.ComponentModel.DataAnnotations;

namespace AiFabric.Gateway;

/// <summary>Settings of the gateway, from <c>--Gateway:*</c> arguments or <c>Gateway__*</c> environment variables.</summary>
public sealed class GatewayOptions : IValidatableObject
{
    public const string Section = "Gateway";

    /// <summary>Addresses for clients, separated by semicolons.</summary>
    [Required]
    public string Listen { get; set; } = "http://127.0.0.1:8080";

    /// <summary>Addresses for operator, probes and metrics (<c>/internal/*</c>, <c>/healthz</c>, <c>/readyz</c>, <c>/metrics</c>). Never exposed to clients.</summary>
    [Required]
    public string InternalListen { get; set; } = "http://127.0.0.1:8081";

    /// <summary>Namespace whose models are served; null serves every namespace.</summary>
    public string? Namespace { get; set; }

    /// <summary>Asks every client for a key from a Secret labelled <c>aifabric.io/api-keys=true</c>.</summary>
    public bool RequireApiKeys { get; set; }

    /// <summary>Namespace of those Secrets; null takes <see cref="Namespace"/>. Without <see cref="RequireApiKeys"/> no Secret is read at all.</summary>
    public string? ApiKeysNamespace { get; set; }

    /// <summary>Requests per minute of a key whose Secret sets no limit; null for no limit.</summary>
    [Range(1, 1_000_000_000_000)]
    public long? RequestsPerMinute { get; set; }

    /// <summary>Tokens per minute, of prompts and answers, of a key whose Secret sets no limit; null for no limit.</summary>
    [Range(1, 1_000_000_000_000)]
    public long? TokensPerMinute { get; set; }

    /// <summary>Replicas of the gateway among which limits are divided: each counts for itself and grants its part.</summary>
    [Range(1, 1_000)]
    public int LimitShares { get; set; } = 1;

    /// <summary>Largest request body, bytes.</summary>
    [Range(1_024, 1_073_741_824)]
    public long MaxBodyBytes { get; set; } = 4 * 1_024 * 1_024;

    /// <summary>Folder for clients' training files and finetuning jobs; null answers <c>/v1/files</c> and <c>/v1/fine_tuning</c> with 501. Several replicas must share it.</summary>
    public string? FilesFolder { get; set; }

    /// <summary>
    /// Where workers find that folder: <c>http://HOST:PORT/internal</c> (this gateway's internal port), or the folder itself as they mount it, <c>pvc://claim/path</c>
    /// or <c>file:///path</c>.
    /// </summary>
    public string? FilesUri { get; set; }

    /// <summary>Largest file, bytes.</summary>
    [Range(1_024, 1_099_511_627_776)]
    public long MaxFileBytes { get; set; } = 512L << 20;

    /// <summary>
    /// How long a request waits for a worker of its model, in seconds; 0 refuses it at once. The default ends before the minute after which common
    /// load balancers give up, so that the client learns when to ask again.
    /// </summary>
    [Range(0, 3_600)]
    public int HoldSeconds { get; set; } = 50;

    /// <summary>Requests that wait at most.</summary>
    [Range(1, 1_000_000)]
    public int HeldRequests { get; set; } = 1_024;

    /// <summary>Requests for one model that wait at most.</summary>
    [Range(1, 1_000_000)]
    public int HeldRequestsPerModel { get; set; } = 256;

    /// <summary>Bytes that the bodies of waiting requests hold at most.</summary>
    [Range(1_024, 1_099_511_627_776)]
    public long HeldBytes { get; set; } = 64 * 1_024 * 1_024;

    /// <summary>Workers tried for one request before its first byte.</summary>
    [Range(1, 10)]
    public int Attempts { get; set; } = 3;

    /// <summary>Copies of requests that are under way to mirrors at most; more are not made.</summary>
    [Range(1, 10_000)]
    public int MirrorsConcurrent { get; set; } = 64;

    /// <summary>A copy that has no whole answer after so long is cancelled, seconds.</summary>
    [Range(1, 86_400)]
    public int MirrorSeconds { get; set; } = 300;

    /// <summary>Seed of the draws for canaries and mirrors; null for one that nobody knows.</summary>
    public long? TrafficSeed { get; set; }

    /// <summary>How often each worker is asked for its models, milliseconds.</summary>
    [Range(50, 60_000)]
    public int ProbeIntervalMilliseconds { get; set; } = 1_000;

    /// <summary>
    /// How long a worker may take to begin its answer, its queue included, seconds. An answer that is not streamed begins when all of it is there. Clients are less patient on their own account;
    /// a worker that is lost is noticed long before.
    /// </summary>
    [Range(1, 86_400)]
    public int AnswerTimeoutSeconds { get; set; } = 3_600;

    /// <summary>A worker that sends nothing for this long in a stream that has begun has failed, seconds.</summary>
    [Range(1, 86_400)]
    public int IdleTimeoutSeconds { get; set; } = 300;

    /// <summary>How long requests are still taken after readiness was denied: until load balancers have heard of it, seconds.</summary>
    [Range(0, 3_600)]
    public int DrainSeconds { get; set; } = 5;

    /// <summary>How long running requests may go on after that, seconds. With the drain and 5 s to close it must fit into the pod's grace period.</summary>
    [Range(0, 86_400)]
    public int ShutdownSeconds { get; set; } = 45;

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (FilesFolder is not null && FilesUri?.Split("://")[0] is not ("http" or "file" or "pvc"))
            yield return new ValidationResult("Gateway:FilesUri must say where workers find Gateway:FilesFolder: http://HOST:PORT/internal, file:///path or pvc://claim/path", [nameof(FilesUri)]);
    }
}
