using System.ComponentModel.DataAnnotations;
using AiFabric.Crds.Common;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Models;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Pipelines;
using AiFabric.Operator.Storage;
using AiFabric.Operator.Validation;
using AiFabric.Operator.Webhooks;
using k8s.Models;

namespace AiFabric.Operator;

/// <summary>Settings of the operator, section <c>Operator</c> (environment: <c>Operator__WorkerImage</c>, ...).</summary>
internal sealed class OperatorOptions : IValidatableObject
{
    public const string Section = "Operator";

    private (V1PodTemplateSpec? Template, string? Error)? _template;

    /// <summary>Image of the worker container.</summary>
    [Required]
    public string WorkerImage { get; set; } = "aifabric/worker:0.1.0";

    /// <summary>Command of the worker container, before <c>serve</c>; empty takes the image's entry point.</summary>
    public IList<string> WorkerCommand { get; init; } = [];

    /// <summary>Environment of every worker container, name to value.</summary>
    public IDictionary<string, string> WorkerEnvironment { get; init; } = new Dictionary<string, string>();

    /// <summary>A file of YAML with a partial pod template that is laid under every model's own; null for none. Read once.</summary>
    public string? WorkerTemplateFile { get; set; }

    /// <summary>Whether worker pods meet the restricted Pod Security Standard. False is for the local cluster, whose pods are processes of the machine.</summary>
    public bool RestrictedPods { get; set; } = true;

    /// <summary>
    /// Whether models' PodDisruptionBudgets let pods be evicted that are not ready (<c>unhealthyPodEvictionPolicy: AlwaysAllow</c>). False is for API
    /// servers before Kubernetes 1.27, which refuse the field or drop it.
    /// </summary>
    public bool EvictUnreadyPods { get; set; } = true;

    /// <summary>Token of all workers' control ports; null makes a random one for each model.</summary>
    [MinLength(16)]
    public string? ControlToken { get; set; }

    /// <summary>
    /// Folder for adapters and checkpoints of jobs that name none: <c>file://</c> (a path inside every worker) or <c>pvc://claim/path</c> (a claim in
    /// the model's namespace that every worker then mounts).
    /// </summary>
    [Required]
    public string DataUri { get; set; } = "file:///var/lib/aifabric";

    /// <summary>Where workers keep what they download.</summary>
    public ModelCacheOptions ModelCache { get; init; } = new();

    /// <summary>The one namespace to look at; null for all.</summary>
    public string? Namespace { get; set; }

    /// <summary>Labels of the gateway's pods, <c>key=value,key=value</c>.</summary>
    [Required]
    public string GatewaySelector { get; set; } = "app.kubernetes.io/name=aifabric-gateway";

    /// <summary>Namespace of the gateway's pods.</summary>
    [Required]
    public string GatewayNamespace { get; set; } = "aifabric-system";

    /// <summary>Port on which a gateway pod answers <c>/internal/routes</c> and <c>/internal/demand</c>.</summary>
    [Range(1, 65_535)]
    public int GatewayPort { get; set; } = 8081;

    /// <summary>Gateways that are no pods, by the base URL of their internal port. When set, pods are not looked for.</summary>
    public IList<string> GatewayUrls { get; init; } = [];

    /// <summary>Base URL of the gateway as clients see it, for <c>status.url</c>; null tells the model's own Service.</summary>
    [Url]
    public string? PublicUrl { get; set; }

    /// <summary>How long one request to a worker or gateway may take, in seconds.</summary>
    [Range(1, 600)]
    public int RequestTimeoutSeconds { get; set; } = 5;

    /// <summary>How long a load of an adapter or the start of a training session may take, in seconds.</summary>
    [Range(1, 3_600)]
    public int PutTimeoutSeconds { get; set; } = 60;

    /// <summary>Time between two looks at something that is under way, in milliseconds.</summary>
    [Range(50, 60_000)]
    public int PollMilliseconds { get; set; } = 1_000;

    /// <summary>Time between two looks at something that is as wanted, in seconds: finds what no watch tells, such as a gateway that lost a route.</summary>
    [Range(1, 3_600)]
    public int SteadySeconds { get; set; } = 5;

    /// <summary>
    /// Objects of a kind that are looked at in a second although nothing was heard of them. With more objects than fit into
    /// <see cref="SteadySeconds"/> each one's turn comes later.
    /// </summary>
    [Range(1, 100_000)]
    public int LooksPerSecond { get; set; } = 100;

    /// <summary>A ready pod that does not answer for so many seconds loses its training session to another.</summary>
    [Range(1, 3_600)]
    public int UnreachableSeconds { get; set; } = 15;

    /// <summary>Delay before the first retry of a failed training session, in seconds; doubles with each further one.</summary>
    [Range(1, 3_600)]
    public int RetrySeconds { get; set; } = 10;

    /// <summary>Objects of a kind that are reconciled at the same time.</summary>
    [Range(1, 256)]
    public int Workers { get; set; } = 4;

    /// <summary>Whether one of several operators is made the active one by a Lease.</summary>
    public bool LeaderElection { get; set; }

    /// <summary>Namespace of the Lease.</summary>
    [Required]
    public string LeaderElectionNamespace { get; set; } = "aifabric-system";

    /// <summary>Every object is looked at at least this often, in minutes.</summary>
    [Range(1, 1_440)]
    public int ResyncMinutes { get; set; } = 600;

    /// <summary>URL on which <c>/healthz</c>, <c>/readyz</c> and <c>/metrics</c> are served.</summary>
    [Required]
    public string ListenUrl { get; set; } = "http://127.0.0.1:8090";

    /// <summary>The admission webhooks.</summary>
    public WebhookOptions Webhooks { get; init; } = new();

    /// <summary>What a gateway pod's labels must be.</summary>
    public IReadOnlyDictionary<string, string> GetGatewayLabels() => GatewaySelector
        .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Select(pair => pair.Split('=', 2))
        .Where(pair => pair.Length == 2)
        .ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>
    /// Selects the pods that matter: workers, functions, and gateways by their <c>app.kubernetes.io/name</c>. Null, for all of the cluster's, when the gateways'
    /// labels do not have that: each pod is kept in memory, and most are none of ours.
    /// </summary>
    public string? GetPodSelector()
    {
        string[] ours = [OwnedMetadata.AppName, FunctionTemplate.AppName];
        string? gateways = GatewayUrls.Count > 0 ? OwnedMetadata.AppName : GetGatewayLabels().GetValueOrDefault(Labels.AppName);
        return gateways is null ? null : $"{Labels.AppName} in ({string.Join(',', ours.Append(gateways).Distinct())})";
    }

    /// <summary>Where jobs write by default.</summary>
    /// <exception cref="InvalidOperationException">The options were not validated.</exception>
    public StorageUri GetData() => StorageUri.TryParse(DataUri, out StorageUri? uri, out string? error) ? uri : throw new InvalidOperationException(error);

    /// <summary>The time until an object's next look: as wanted, or when it is its turn among <paramref name="objects"/>.</summary>
    public TimeSpan Paced(TimeSpan wanted, int objects)
    {
        TimeSpan turn = TimeSpan.FromSeconds((double)objects / LooksPerSecond);
        return wanted > turn ? wanted : turn;
    }

    /// <summary>What goes into every worker pod.</summary>
    /// <exception cref="InvalidOperationException">The options were not validated.</exception>
    public PodSettings GetPodSettings() => new(WorkerImage, [.. WorkerCommand], WorkerEnvironment.AsReadOnly(), GetData())
    {
        Cache = ModelCache,
        Restricted = RestrictedPods,
        Template = ReadTemplate() is (var template, null) ? template : throw new InvalidOperationException(_template?.Error),
    };

    /// <summary>The waits of finetune jobs.</summary>
    public FinetuneTimes GetFinetuneTimes() => new(
        TimeSpan.FromMilliseconds(PollMilliseconds), TimeSpan.FromSeconds(SteadySeconds), TimeSpan.FromSeconds(UnreachableSeconds),
        TimeSpan.FromSeconds(RetrySeconds));

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (UriRule.BrokenTarget(DataUri) is { } error)
            yield return new ValidationResult($"Operator:DataUri: {error}", [nameof(DataUri)]);
        if (ReadTemplate().Error is { } wrong)
            yield return new ValidationResult($"Operator:WorkerTemplateFile {wrong}", [nameof(WorkerTemplateFile)]);
        foreach (ValidationResult broken in ModelCache.Validate())
            yield return broken;
        string[] terms = GatewaySelector.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (terms.Length == 0 || terms.Any(term => term.Split('=', 2) is not { Length: 2 } pair || pair[0].Length == 0 || pair[0].EndsWith('!')))
            yield return new ValidationResult($"Operator:GatewaySelector '{GatewaySelector}' must be key=value[,key=value]", [nameof(GatewaySelector)]);
        foreach (string url in GatewayUrls.Append(ListenUrl))
        {
            if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) || parsed.Scheme is not ("http" or "https"))
                yield return new ValidationResult($"Operator: '{url}' is no http(s) URL", [nameof(GatewayUrls)]);
        }
        foreach (string problem in Webhooks.Problems())
            yield return new ValidationResult(problem, [nameof(Webhooks)]);
        if (Namespace is not null && Namespace != GatewayNamespace && GatewayUrls.Count == 0)
        {
            yield return new ValidationResult(
                $"Operator:Namespace '{Namespace}' hides the gateway's pods in '{GatewayNamespace}': set Operator:GatewayUrls", [nameof(Namespace)]);
        }
    }

    private (V1PodTemplateSpec? Template, string? Error) ReadTemplate() =>
        _template ??= string.IsNullOrEmpty(WorkerTemplateFile) ? (null, null) : WorkerTemplate.Read(WorkerTemplateFile);
}
