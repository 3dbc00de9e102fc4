using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Tables;

/// <summary>The columns of built-in kinds, under the headings that a Kubernetes API server gives them.</summary>
internal static class BuiltInColumns
{
    public static Column Name { get; } = Column.Text("Name", found => found.Text("metadata", "name"));

    public static Column Age { get; } = new("Age", "string", 0, (found, now) => HumanDuration.Age(found, now));

    private static readonly Dictionary<string, Column[]> ByResource = new(StringComparer.Ordinal)
    {
        ["pods"] = PodColumns.All,
        ["deployments.apps"] =
        [
            Name, Column.Text("Ready", Ratio("status", "readyReplicas")), Column.Count("Up-to-date", found => found.Whole("status", "updatedReplicas")),
            Column.Count("Available", found => found.Whole("status", "availableReplicas")), Age, .. Template(),
        ],
        ["replicasets.apps"] =
        [
            Name, Column.Count("Desired", found => found.Whole("spec", "replicas")), Column.Count("Current", found => found.Whole("status", "replicas")),
            Column.Count("Ready", found => found.Whole("status", "readyReplicas")), Age, .. Template(),
        ],
        ["statefulsets.apps"] = [Name, Column.Text("Ready", Ratio("status", "readyReplicas")), Age],
        ["jobs.batch"] = JobColumns(),
        ["services"] = ServiceColumns.All,
        ["endpoints"] = [Name, Column.Text("Endpoints", ServiceColumns.Addresses), Age],
        ["endpointslices.discovery.k8s.io"] =
        [
            Name, Column.Text("AddressType", found => found.Text("addressType")), Column.Text("Ports", found => Joined(found.Items("ports"), "port")),
            Column.Text("Endpoints", ServiceColumns.SliceAddresses), Age,
        ],
        ["nodes"] = NodeColumns(),
        ["namespaces"] = [Name, Column.Text("Status", found => found.Text("status", "phase")), Age],
        ["events"] = EventColumns("message", "involvedObject"),
        ["events.events.k8s.io"] = EventColumns("note", "regarding"),
        ["configmaps"] = [Name, Column.Count("Data", found => Size(found, "data") + Size(found, "binaryData")), Age],
        ["secrets"] = [Name, Column.Text("Type", found => found.Text("type")), Column.Count("Data", found => Size(found, "data")), Age],
        ["serviceaccounts"] = [Name, Column.Count("Secrets", found => found.Items("secrets")?.Count), Age],
        ["leases.coordination.k8s.io"] = [Name, Column.Text("Holder", found => found.Text("spec", "holderIdentity")), Age],
        ["customresourcedefinitions.apiextensions.k8s.io"] = [Name, Column.Text("Created At", found => found.Text("metadata", "creationTimestamp"))],
        ["persistentvolumeclaims"] =
        [
            Name, Column.Text("Status", found => found.Text("status", "phase")), Column.Text("Volume", found => found.Text("spec", "volumeName")),
            Column.Text("StorageClass", found => found.Text("spec", "storageClassName")), Age,
        ],
    };

    private static readonly Column[] Plain = [Name, Age];

    public static IReadOnlyList<Column> For(ResourceType type) => ByResource.GetValueOrDefault(type.Resource, Plain);

    private static int Size(JsonObject found, string field) => found.Map(field)?.Count ?? 0;

    private static Func<JsonObject, string> Ratio(params string[] path) =>
        found => $"{found.Whole(path) ?? 0}/{found.Whole("spec", "replicas") ?? 0}";

    private static Column[] Template() =>
    [
        Column.Text("Containers", found => Joined(found.Items("spec", "template", "spec", "containers"), "name"), 1),
        Column.Text("Images", found => Joined(found.Items("spec", "template", "spec", "containers"), "image"), 1),
        Column.Text("Selector", found => Labels(found.Map("spec", "selector", "matchLabels")), 1),
    ];

    private static Column[] JobColumns() =>
    [
        Name,
        Column.Text("Status", JobStatus),
        Column.Text("Completions", found => $"{found.Whole("status", "succeeded") ?? 0}/{found.Whole("spec", "completions") ?? found.Whole("spec", "parallelism") ?? 1}"),
        new("Duration", "string", 0, (found, now) => found.Text("status", "startTime") is not { } start
            ? ""
            : found.Text("status", "completionTime") is { } end
                ? HumanDuration.Since(start, DateTimeOffset.Parse(end, System.Globalization.CultureInfo.InvariantCulture))
                : HumanDuration.Since(start, now)),
        Age,
        .. Template(),
    ];

    private static string JobStatus(JsonObject job)
    {
        bool Is(string type) => HasCondition(job, type);
        return Is("Complete") ? "Complete" : Is("Failed") ? "Failed"
            : job.Text("metadata", "deletionTimestamp") is not null ? "Terminating"
            : Is("Suspended") ? "Suspended" : "Running";
    }

    private static Column[] NodeColumns() =>
    [
        Name,
        Column.Text("Status", found => (HasCondition(found, "Ready") ? "Ready" : "NotReady") + (found.Flag("spec", "unschedulable") ? ",SchedulingDisabled" : "")),
        Column.Text("Roles", found => string.Join(',', found.Map("metadata", "labels")?.Select(pair => pair.Key)
            .Where(key => key.StartsWith("node-role.kubernetes.io/", StringComparison.Ordinal)).Select(key => key[24..]) ?? [])),
        Age,
        Column.Text("Version", found => found.Text("status", "nodeInfo", "kubeletVersion")),
        Column.Text("Internal-IP", found => found.Items("status", "addresses")?.FirstOrDefault(one => one.Text("type") == "InternalIP").Text("address"), 1),
        Column.Text("OS-Image", found => found.Text("status", "nodeInfo", "osImage"), 1),
        Column.Text("Kernel-Version", found => found.Text("status", "nodeInfo", "kernelVersion"), 1),
        Column.Text("Container-Runtime", found => found.Text("status", "nodeInfo", "containerRuntimeVersion"), 1),
    ];

    private static Column[] EventColumns(string message, string about) =>
    [
        new("Last Seen", "string", 0, (found, now) => HumanDuration.Since(
            found.Text("lastTimestamp") ?? found.Text("series", "lastObservedTime") ?? found.Text("eventTime") ?? found.Text("deprecatedLastTimestamp")
            ?? found.Text("metadata", "creationTimestamp"), now)),
        Column.Text("Type", found => found.Text("type")),
        Column.Text("Reason", found => found.Text("reason")),
        Column.Text("Object", found => $"{found.Text(about, "kind")?.ToLowerInvariant()}/{found.Text(about, "name")}"),
        Column.Text("Message", found => found.Text(message)?.Trim()),
        Column.Text("Count", found => (found.Whole("count") ?? found.Whole("series", "count") ?? 1).ToString(System.Globalization.CultureInfo.InvariantCulture), 1),
        new("Name", "string", 1, (found, _) => found.Text("metadata", "name")),
    ];

    internal static bool HasCondition(JsonObject found, string type) =>
        found.Items("status", "conditions")?.Any(one => one.Text("type") == type && one.Text("status") == "True") == true;

    internal static string Joined(JsonArray? items, string field) =>
        string.Join(',', items?.Select(item => item.Field(field)?.ToString()).Where(text => text is not null) ?? []);

    internal static string Labels(JsonObject? labels) => labels is null ? "" : string.Join(',', labels.Select(pair => $"{pair.Key}={pair.Value}"));
}
