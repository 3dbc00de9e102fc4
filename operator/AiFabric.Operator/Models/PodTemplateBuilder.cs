using System.Globalization;
using System.Text.Json.Nodes;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Objects;
using AiFabric.Operator.Storage;
using AiFabric.Operator.Workers;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>What the operator's settings put into every worker pod.</summary>
/// <param name="Image">The worker's image.</param>
/// <param name="Command">Command before <c>serve</c>; empty takes the image's entry point.</param>
/// <param name="Environment">More environment of the worker.</param>
/// <param name="Data">Where jobs write by default; a claim is mounted.</param>
internal sealed record PodSettings(
    string Image, IReadOnlyList<string> Command, IReadOnlyDictionary<string, string> Environment, StorageUri Data)
{
    /// <summary>Whether pods meet the restricted Pod Security Standard; false for a node that runs them as processes of a machine.</summary>
    public bool Restricted { get; init; } = true;

    /// <summary>The administrator's template: over the operator's own, under every model's.</summary>
    public V1PodTemplateSpec? Template { get; init; }

    /// <summary>Where workers keep what they download.</summary>
    public ModelCacheOptions Cache { get; init; } = new();
}

/// <summary>Makes the pod template of a model's workers. Pure: one spec, one template.</summary>
internal static class PodTemplateBuilder
{
    public const string PodIpVariable = "POD_IP";
    public const string TokenVariable = "AIFABRIC_CONTROL_TOKEN";
    public const string ThreadsVariable = "AIFABRIC_THREADS";

    /// <summary>Begins the names of the operator's volumes: a user who calls his own <c>data</c> or <c>tmp</c> means another.</summary>
    public const string VolumePrefix = "aifabric-";

    /// <summary>Names the control token without telling it, so that a new one rolls the pods.</summary>
    public const string TokenAnnotation = "aifabric.io/control-token";

    /// <summary>A worker that stops has this long to finish its streams and write a checkpoint; a template may say otherwise.</summary>
    private const int GraceSeconds = 60;

    /// <summary>Of the grace period, what is kept for after the streams: to end those that are left with an error, and to close.</summary>
    private const int ReserveSeconds = 10;

    /// <summary>How long a stopping worker still takes requests: until gateways and Services have heard that its pod goes.</summary>
    private const int LingerSeconds = 5;

    public static IReadOnlyCollection<string> ReservedLabels { get; } =
        [Labels.AppName, Labels.AppInstance, Labels.AppComponent, Labels.AppManagedBy, Labels.Model, Labels.Revision];

    public static IReadOnlyCollection<string> ReservedAnnotations { get; } = [Annotations.ServedName, TokenAnnotation];

    public static IReadOnlyCollection<string> ReservedEnvironment { get; } = [PodIpVariable, TokenVariable];

    /// <summary>The name clients ask for.</summary>
    public static string ServedName(CoServedModel model) => model.Spec.Model.Name ?? model.Metadata.Name;

    /// <param name="model">A valid model.</param>
    /// <param name="settings">The operator's part.</param>
    /// <param name="tokenFingerprint">See <see cref="ControlTokens.Fingerprint"/>.</param>
    /// <returns>The template, its revision among the labels.</returns>
    public static V1PodTemplateSpec Build(CoServedModel model, PodSettings settings, string tokenFingerprint)
    {
        var template = new V1PodTemplateSpec
        {
            Metadata = new V1ObjectMeta
            {
                Labels = OwnedMetadata.LabelsOf(model, "worker"),
                Annotations = new Dictionary<string, string>
                {
                    [Annotations.ServedName] = ServedName(model),
                    [TokenAnnotation] = tokenFingerprint,
                },
            },
            Spec = PodSpec(model, settings),
        };
        ModelDownload.AddTo(template.Spec, model.Spec.Model, settings.Cache);
        if (settings.Template is { } administrators)
            template = TemplateMerge.Over(TemplateMerge.Over(template, administrators), OnlyResources(model));
        if (model.Spec.Template is { } user)
            template = TemplateMerge.Over(template, user);
        ModelDownload.AddCredentials(template.Spec, model.Spec.Model);
        template.Metadata.Labels[Labels.Revision] = Revision(template, model.Spec.Model.Revision);
        return template;
    }

    /// <summary>A model's own resources win over the administrator's.</summary>
    private static V1PodTemplateSpec OnlyResources(CoServedModel model) => new()
    {
        Spec = new V1PodSpec { Containers = [new V1Container { Name = WorkerPod.ContainerName, Resources = model.Spec.Resources }] },
    };

    /// <summary>Hash of all that makes a pod what it is: its template and the weights' revision.</summary>
    private static string Revision(V1PodTemplateSpec template, string? weights) => CanonicalJson.Hash(new JsonObject
    {
        ["template"] = JsonNode.Parse(KubernetesJson.Serialize(template)),
        ["weights"] = weights,
    });

    private static V1PodSpec PodSpec(CoServedModel model, PodSettings settings)
    {
        StorageUri? weights = StorageUri.TryParse(model.Spec.Model.Uri, out StorageUri? parsed, out _) ? parsed : null;
        (string Claim, bool ReadOnly)[] claims =
        [
            .. new[] { (weights?.Claim, ReadOnly: weights?.Claim != settings.Data.Claim), (settings.Data.Claim, ReadOnly: false) }
                .Where(claim => claim.Item1 is not null)
                .Select(claim => (claim.Item1!, claim.ReadOnly)) // Filtered just above.
                .DistinctBy(claim => claim.Item1)
                .Where(claim => !UserMounts(model, claim.Item1)),
        ];
        var writable = settings.Restricted ? PodSecurity.WritableFolders(settings.Data) : [];
        V1Volume[] volumes = [.. claims.Select(claim => Volume(claim.Claim)), .. writable.Select(folder => folder.Volume)];
        V1VolumeMount[] mounts = [.. claims.Select(claim => Mount(claim.Claim, claim.ReadOnly)), .. writable.Select(folder => folder.Mount)];
        return new V1PodSpec
        {
            Containers = [Worker(model, settings, weights, mounts)],
            RestartPolicy = "Always",
            AutomountServiceAccountToken = false, // Workers know nothing of Kubernetes.
            EnableServiceLinks = false,
            SecurityContext = settings.Restricted ? PodSecurity.OfPod() : null,
            TopologySpreadConstraints = [SpreadOverNodes(model)],
            TerminationGracePeriodSeconds = Grace(model, settings),
            // Ready, and so the end of its predecessor, waits for the gateways.
            ReadinessGates = [new V1PodReadinessGate { ConditionType = PodConditions.Routable }],
            Volumes = volumes.Length == 0 ? null : volumes,
        };
    }

    private static V1Volume Volume(string claim) => new()
    {
        Name = VolumeName(claim),
        PersistentVolumeClaim = new V1PersistentVolumeClaimVolumeSource { ClaimName = claim },
    };

    private static V1VolumeMount Mount(string claim, bool readOnly) => new()
    {
        Name = VolumeName(claim),
        MountPath = $"{StorageUri.ClaimMountRoot}/{claim}",
        ReadOnlyProperty = readOnly ? true : null,
    };

    /// <summary>Replicas of a model on different nodes, where there are several with room.</summary>
    private static V1TopologySpreadConstraint SpreadOverNodes(CoServedModel model) => new()
    {
        MaxSkew = 1,
        TopologyKey = "kubernetes.io/hostname",
        WhenUnsatisfiable = "ScheduleAnyway",
        LabelSelector = new V1LabelSelector { MatchLabels = new Dictionary<string, string> { [Labels.Model] = model.Metadata.Name } },
    };

    private static V1Container Worker(
        CoServedModel model, PodSettings settings, StorageUri? weights, V1VolumeMount[] mounts) => new()
        {
            Name = WorkerPod.ContainerName,
            Image = settings.Image,
            Command = settings.Command.Count == 0 ? null : [.. settings.Command],
            Args = Arguments(model, settings, ModelUri(model, weights)),
            Env = Environment(model, settings),
            Ports =
            [
                new V1ContainerPort { Name = Ports.Serving, ContainerPort = Ports.ServingNumber, Protocol = "TCP" },
                new V1ContainerPort { Name = Ports.Control, ContainerPort = Ports.ControlNumber, Protocol = "TCP" },
            ],
            Resources = model.Spec.Resources,
            // Loading may take many minutes, yet a worker that has ended is seen at once by its exit.
            StartupProbe = Probe("/ready", periodSeconds: 1, failureThreshold: 1800),
            ReadinessProbe = Probe("/ready", periodSeconds: 2, failureThreshold: 2),
            LivenessProbe = Probe("/health", periodSeconds: 10, failureThreshold: 6),
            TerminationMessagePolicy = "FallbackToLogsOnError",
            VolumeMounts = mounts.Length == 0 ? null : mounts,
            SecurityContext = settings.Restricted ? PodSecurity.OfContainer() : null,
        };

    private static List<string> Arguments(CoServedModel model, PodSettings settings, string modelUri)
    {
        CoServedModelSpec spec = model.Spec;
        var arguments = new List<string>
        {
            "serve", "--model", modelUri, "--served-name", ServedName(model), "--host", $"$({PodIpVariable})",
            "--port", Text(Ports.ServingNumber), "--control-port", Text(Ports.ControlNumber),
        };
        int drain = (int)Math.Clamp(Grace(model, settings) - ReserveSeconds, 0, 86_400);
        if (spec.Model.Quantization is { } quantization and not Quantization.None)
            arguments.AddRange(["--quantization", quantization.ToString()]);
        Add("--linger-seconds", Math.Min(LingerSeconds, drain / 2));
        Add("--drain-seconds", drain);
        Add("--ttft-ms", spec.Slo?.TtftMilliseconds);
        Add("--tpot-ms", spec.Slo?.TpotMilliseconds);
        if (spec.CoServing?.Policy is { } policy)
            arguments.AddRange(["--policy", policy.ToString()]);
        Add("--max-finetune-tokens", spec.CoServing?.MaxFinetuneTokensPerIteration);
        Add("--finetune-memory-mib", spec.CoServing?.FinetuneMemoryMebibytes);
        Add("--max-adapters", spec.Lora?.MaxAdapters);
        Add("--max-lora-rank", spec.Lora?.MaxRank);
        if (spec.Speculative?.Method is { } method)
            arguments.AddRange(["--speculative-method", method.ToString()]);
        Add("--speculative-tokens", spec.Speculative?.Tokens);
        Add("--prompt-lookup-min", spec.Speculative?.PromptLookupMin);
        Add("--prompt-lookup-max", spec.Speculative?.PromptLookupMax);
        return arguments;

        void Add(string option, int? value)
        {
            if (value is { } number)
                arguments.AddRange([option, Text(number)]);
        }
    }

    /// <summary>The pod's, once the templates lie over each other: the worker's arguments have to fit into it.</summary>
    private static long Grace(CoServedModel model, PodSettings settings) =>
        model.Spec.Template?.Spec?.TerminationGracePeriodSeconds ?? settings.Template?.Spec?.TerminationGracePeriodSeconds ?? GraceSeconds;

    private static List<V1EnvVar> Environment(CoServedModel model, PodSettings settings) =>
    [
        new V1EnvVar
        {
            Name = PodIpVariable,
            ValueFrom = new V1EnvVarSource { FieldRef = new V1ObjectFieldSelector { ApiVersion = "v1", FieldPath = "status.podIP" } },
        },
        new V1EnvVar
        {
            Name = TokenVariable,
            ValueFrom = new V1EnvVarSource
            {
                SecretKeyRef = new V1SecretKeySelector { Name = ControlTokens.SecretName(model.Metadata.Name), Key = ControlTokens.Key },
            },
        },
        // Threads of one matrix product: the limit in whole cores, rounded up; without a limit, what the node has to give.
        .. settings.Environment.ContainsKey(ThreadsVariable) ? Array.Empty<V1EnvVar>() : [new V1EnvVar
        {
            Name = ThreadsVariable,
            ValueFrom = new V1EnvVarSource { ResourceFieldRef = new V1ResourceFieldSelector { Resource = "limits.cpu" } },
        }],
        .. settings.Environment.OrderBy(variable => variable.Key, StringComparer.Ordinal)
            .Where(variable => !ReservedEnvironment.Contains(variable.Key))
            .Select(variable => new V1EnvVar { Name = variable.Key, Value = variable.Value }),
    ];

    /// <summary>The weights as a path the worker can open: through the user's own mount of the claim, else through ours.</summary>
    private static string ModelUri(CoServedModel model, StorageUri? weights)
    {
        if (weights?.Claim is null)
            return weights?.ToString() ?? model.Spec.Model.Uri;
        return weights.WorkerUri(model.Spec.Template?.Spec, writable: false)
            ?? $"file://{StorageUri.ClaimMountRoot}/{weights.Claim}/{weights.Path}".TrimEnd('/');
    }

    private static bool UserMounts(CoServedModel model, string claim) =>
        StorageUri.TryParse($"pvc://{claim}", out StorageUri? uri, out _) && uri.WorkerUri(model.Spec.Template?.Spec, writable: false) is not null;

    /// <summary>A volume's name is a label, while a claim's name may have dots and 253 characters.</summary>
    private static string VolumeName(string claim)
    {
        string name = VolumePrefix + "pvc-" + claim.Replace('.', '-');
        return name.Length <= 63 ? name : name[..52] + "-" + CanonicalJson.Hash(JsonValue.Create(claim));
    }

    private static V1Probe Probe(string path, int periodSeconds, int failureThreshold) => new()
    {
        HttpGet = new V1HTTPGetAction { Path = path, Port = Ports.Serving, Scheme = "HTTP" },
        PeriodSeconds = periodSeconds,
        TimeoutSeconds = 2,
        FailureThreshold = failureThreshold,
    };

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
