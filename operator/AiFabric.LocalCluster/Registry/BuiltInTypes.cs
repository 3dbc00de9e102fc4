namespace AiFabric.LocalCluster.Registry;

/// <summary>The Kubernetes types that are served without a CustomResourceDefinition.</summary>
internal static class BuiltInTypes
{
    public static IReadOnlyList<ResourceType> All { get; } =
    [
        .. Core(), .. Apps(), .. Named(),
    ];

    public static ResourceType Namespaces { get; } = Find("", "namespaces");

    public static ResourceType Pods { get; } = Find("", "pods");

    public static ResourceType Events { get; } = Find("", "events");

    public static ResourceType Secrets { get; } = Find("", "secrets");

    public static ResourceType ConfigMaps { get; } = Find("", "configmaps");

    public static ResourceType ServiceAccounts { get; } = Find("", "serviceaccounts");

    public static ResourceType Definitions { get; } = Find("apiextensions.k8s.io", "customresourcedefinitions");

    private static ResourceType Find(string group, string plural) =>
        All.First(type => type.Group == group && type.Plural == plural);

    private static IEnumerable<ResourceType> Core() =>
    [
        Make("", "v1", "namespaces", "Namespace", false, "ns", "", "status,finalize"),
        Make("", "v1", "pods", "Pod", true, "po", "all", "status,log,eviction,binding"),
        Make("", "v1", "services", "Service", true, "svc", "all", "status"),
        Make("", "v1", "endpoints", "Endpoints", true, "ep", singular: "endpoints"),
        Make("", "v1", "events", "Event", true, "ev"),
        Make("", "v1", "configmaps", "ConfigMap", true, "cm"),
        Make("", "v1", "secrets", "Secret", true),
        Make("", "v1", "serviceaccounts", "ServiceAccount", true, "sa"),
        Make("", "v1", "nodes", "Node", false, "no", "", "status"),
        Make("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, "pvc", "", "status"),
        Make("", "v1", "persistentvolumes", "PersistentVolume", false, "pv", "", "status"),
        Make("", "v1", "limitranges", "LimitRange", true, "limits"),
        Make("", "v1", "resourcequotas", "ResourceQuota", true, "quota", "", "status"),
        Make("", "v1", "replicationcontrollers", "ReplicationController", true, "rc", "all", "status,scale"),
        Make("", "v1", "podtemplates", "PodTemplate", true),
    ];

    private static IEnumerable<ResourceType> Apps() =>
    [
        Make("apps", "v1", "deployments", "Deployment", true, "deploy", "all", "status,scale"),
        Make("apps", "v1", "replicasets", "ReplicaSet", true, "rs", "all", "status,scale"),
        Make("apps", "v1", "statefulsets", "StatefulSet", true, "sts", "all", "status,scale"),
        Make("apps", "v1", "daemonsets", "DaemonSet", true, "ds", "all", "status"),
        Make("apps", "v1", "controllerrevisions", "ControllerRevision", true),
        Make("batch", "v1", "jobs", "Job", true, "", "all", "status"),
        Make("batch", "v1", "cronjobs", "CronJob", true, "cj", "all", "status"),
        Make("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true, "hpa", "all", "status"),
        Make("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true, "pdb", "", "status"),
        Make("coordination.k8s.io", "v1", "leases", "Lease", true),
        Make("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true),
        Make("events.k8s.io", "v1", "events", "Event", true, "ev"),
        Make("networking.k8s.io", "v1", "ingresses", "Ingress", true, "ing", "", "status", singular: "ingress"),
        Make("networking.k8s.io", "v1", "ingressclasses", "IngressClass", false, singular: "ingressclass"),
        Make("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true, "netpol", singular: "networkpolicy"),
    ];

    private static IEnumerable<ResourceType> Named() =>
    [
        Make("rbac.authorization.k8s.io", "v1", "roles", "Role", true),
        Make("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true),
        Make("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false),
        Make("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false),
        Make("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", false, "crd,crds", "api-extensions", "status"),
        Make("apiregistration.k8s.io", "v1", "apiservices", "APIService", false, "", "api-extensions", "status"),
        Make("admissionregistration.k8s.io", "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", false, "", "api-extensions"),
        Make("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", false, "", "api-extensions"),
        Make("storage.k8s.io", "v1", "storageclasses", "StorageClass", false, "sc", singular: "storageclass"),
        Make("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", false, "pc", singular: "priorityclass"),
        Make("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", false, singular: "runtimeclass"),
    ];

    private static ResourceType Make(
        string group,
        string version,
        string plural,
        string kind,
        bool namespaced,
        string shortNames = "",
        string categories = "",
        string subresources = "",
        string? singular = null) => new(
            group, version, plural, kind, singular ?? plural[..^1], namespaced, Split(shortNames), Split(categories), Split(subresources));

    private static string[] Split(string list) => list.Split(',', StringSplitOptions.RemoveEmptyEntries);
}
