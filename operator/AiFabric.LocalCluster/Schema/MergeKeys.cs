namespace AiFabric.LocalCluster.Schema;

/// <summary>
/// How the lists and references of built-in types merge. The model classes do not carry it; this is the patchMergeKey, listType and
/// mapType that the Kubernetes API reference gives for them. Lists not named here are replaced as a whole.
/// </summary>
internal static class MergeKeys
{
    private static readonly Dictionary<string, string[]> Lists = new(StringComparer.Ordinal)
    {
        ["V1PodSpec.containers"] = ["name"],
        ["V1PodSpec.initContainers"] = ["name"],
        ["V1PodSpec.ephemeralContainers"] = ["name"],
        ["V1PodSpec.volumes"] = ["name"],
        ["V1PodSpec.imagePullSecrets"] = ["name"],
        ["V1PodSpec.hostAliases"] = ["ip"],
        ["V1PodSpec.topologySpreadConstraints"] = ["topologyKey", "whenUnsatisfiable"],
        ["V1PodSpec.schedulingGates"] = ["name"],
        ["V1PodSpec.resourceClaims"] = ["name"],
        ["V1Container.ports"] = ["containerPort", "protocol"],
        ["V1Container.env"] = ["name"],
        ["V1Container.volumeMounts"] = ["mountPath"],
        ["V1Container.volumeDevices"] = ["devicePath"],
        ["V1EphemeralContainer.env"] = ["name"],
        ["V1EphemeralContainer.volumeMounts"] = ["mountPath"],
        ["V1ResourceRequirements.claims"] = ["name"],
        ["V1PodStatus.conditions"] = ["type"],
        ["V1PodStatus.podIPs"] = ["ip"],
        ["V1PodStatus.hostIPs"] = ["ip"],
        ["V1ServiceSpec.ports"] = ["port", "protocol"],
        ["V1ServiceStatus.conditions"] = ["type"],
        ["V1ServiceAccount.secrets"] = ["name"],
        ["V1ObjectMeta.ownerReferences"] = ["uid"],
        ["V1DeploymentStatus.conditions"] = ["type"],
        ["V1ReplicaSetStatus.conditions"] = ["type"],
        ["V1StatefulSetStatus.conditions"] = ["type"],
        ["V1DaemonSetStatus.conditions"] = ["type"],
        ["V1JobStatus.conditions"] = ["type"],
        ["V1NodeStatus.conditions"] = ["type"],
        ["V1NodeStatus.addresses"] = ["type"],
        ["V1NamespaceStatus.conditions"] = ["type"],
        ["V1PersistentVolumeClaimStatus.conditions"] = ["type"],
        ["V1CustomResourceDefinitionStatus.conditions"] = ["type"],
        ["V1PodDisruptionBudgetStatus.conditions"] = ["type"],
        ["V2HorizontalPodAutoscalerStatus.conditions"] = ["type"],
        ["V1MutatingWebhookConfiguration.webhooks"] = ["name"],
        ["V1ValidatingWebhookConfiguration.webhooks"] = ["name"],
    };

    private static readonly HashSet<string> Sets = ["V1ObjectMeta.finalizers", "V1NodeSpec.podCIDRs"];

    private static readonly HashSet<string> AtomicTypes =
    [
        "V1LabelSelector", "V1ObjectReference", "V1LocalObjectReference", "V1SecretKeySelector", "V1ConfigMapKeySelector",
        "V1ObjectFieldSelector", "V1ResourceFieldSelector", "V1NodeSelector", "V1NodeSelectorTerm", "V1TypedLocalObjectReference",
        "V1SecretReference", "V1OwnerReference", "V1RoleRef", "V1ScopeSelector",
    ];

    private static readonly HashSet<string> AtomicMaps = ["V1ServiceSpec.selector", "V1PodSpec.nodeSelector", "V1ReplicationControllerSpec.selector"];

    /// <summary>The key fields of a list's items, or null for an atomic list.</summary>
    public static string[]? Keys(Type owner, string field) => Lists.GetValueOrDefault($"{owner.Name}.{field}");

    public static bool IsSet(Type owner, string field) => Sets.Contains($"{owner.Name}.{field}");

    public static bool IsAtomic(Type type) => AtomicTypes.Contains(type.Name);

    public static bool IsAtomicMap(Type owner, string field) => AtomicMaps.Contains($"{owner.Name}.{field}");
}
