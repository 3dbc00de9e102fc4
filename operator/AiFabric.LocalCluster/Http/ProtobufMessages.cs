namespace AiFabric.LocalCluster.Http;

/// <summary>
/// The protobuf messages that clients with compiled-in types send when they create objects (<c>kubectl create</c>, <c>kubectl auth can-i</c>),
/// with the field numbers of Kubernetes' generated.proto files. One line a message: number, JSON name, type. Types: s string, i number, z
/// number left out when 0, b boolean, f boolean left out when false, y bytes, T time, Q quantity, I int-or-string, - ignored, else a message;
/// [] before a type means a list, {} a map.
/// </summary>
internal static class ProtobufMessages
{
    private static readonly Dictionary<string, Dictionary<int, (string Name, string Type)>> All = new Dictionary<string, string>
    {
        ["ObjectMeta"] = "1 name s,2 generateName s,3 namespace s,5 uid s,6 resourceVersion s,7 generation z,8 creationTimestamp T,"
            + "11 labels {}s,12 annotations {}s,13 ownerReferences []OwnerReference,14 finalizers []s,17 managedFields -",
        ["OwnerReference"] = "5 apiVersion s,1 kind s,3 name s,4 uid s,6 controller b,7 blockOwnerDeletion b",
        ["Namespace"] = "1 metadata ObjectMeta,2 spec -,3 status -",
        ["ConfigMap"] = "1 metadata ObjectMeta,2 data {}s,3 binaryData {}y,4 immutable b",
        ["Secret"] = "1 metadata ObjectMeta,2 data {}y,3 type s,4 stringData {}s,5 immutable b",
        ["ServiceAccount"] = "1 metadata ObjectMeta,2 secrets []ObjectReference,3 imagePullSecrets []LocalReference,4 automountServiceAccountToken b",
        ["ObjectReference"] = "1 kind s,2 namespace s,3 name s,4 uid s,5 apiVersion s,6 resourceVersion s,7 fieldPath s",
        ["LocalReference"] = "1 name s",
        ["LabelSelector"] = "1 matchLabels {}s,2 matchExpressions []LabelRequirement",
        ["LabelRequirement"] = "1 key s,2 operator s,3 values []s",
        ["Deployment"] = "1 metadata ObjectMeta,2 spec DeploymentSpec,3 status -",
        ["DeploymentSpec"] = "1 replicas i,2 selector LabelSelector,3 template PodTemplateSpec,4 strategy DeploymentStrategy,5 minReadySeconds z,"
            + "6 revisionHistoryLimit i,7 paused f,9 progressDeadlineSeconds i",
        ["DeploymentStrategy"] = "1 type s,2 rollingUpdate RollingUpdate",
        ["RollingUpdate"] = "1 maxUnavailable I,2 maxSurge I",
        ["PodTemplateSpec"] = "1 metadata ObjectMeta,2 spec PodSpec",
        ["Pod"] = "1 metadata ObjectMeta,2 spec PodSpec,3 status -",
        ["PodSpec"] = "2 containers []Container,3 restartPolicy s,4 terminationGracePeriodSeconds i,5 activeDeadlineSeconds i,6 dnsPolicy s,"
            + "7 nodeSelector {}s,8 serviceAccountName s,9 serviceAccount s,10 nodeName s,11 hostNetwork f,14 securityContext -,"
            + "15 imagePullSecrets []LocalReference,16 hostname s,19 schedulerName s,20 initContainers []Container",
        ["Container"] = "1 name s,2 image s,3 command []s,4 args []s,5 workingDir s,6 ports []ContainerPort,7 env []EnvVar,8 resources Resources,"
            + "9 volumeMounts []VolumeMount,13 terminationMessagePath s,14 imagePullPolicy s,16 stdin f,17 stdinOnce f,18 tty f,20 terminationMessagePolicy s",
        ["ContainerPort"] = "1 name s,2 hostPort z,3 containerPort z,4 protocol s,5 hostIP s",
        ["EnvVar"] = "1 name s,2 value s",
        ["Resources"] = "1 limits {}Q,2 requests {}Q",
        ["VolumeMount"] = "1 name s,2 readOnly f,3 mountPath s,4 subPath s",
        ["Job"] = "1 metadata ObjectMeta,2 spec JobSpec,3 status -",
        ["JobSpec"] = "1 parallelism i,2 completions i,3 activeDeadlineSeconds i,4 selector LabelSelector,5 manualSelector b,6 template PodTemplateSpec,"
            + "7 backoffLimit i,8 ttlSecondsAfterFinished i,9 completionMode s,10 suspend b",
        ["CronJob"] = "1 metadata ObjectMeta,2 spec CronJobSpec,3 status -",
        ["CronJobSpec"] = "1 schedule s,2 startingDeadlineSeconds i,3 concurrencyPolicy s,4 suspend b,5 jobTemplate JobTemplateSpec",
        ["JobTemplateSpec"] = "1 metadata ObjectMeta,2 spec JobSpec",
        ["Service"] = "1 metadata ObjectMeta,2 spec ServiceSpec,3 status -",
        ["ServiceSpec"] = "1 ports []ServicePort,2 selector {}s,3 clusterIP s,4 type s,5 externalIPs []s,7 sessionAffinity s,10 externalName s,18 clusterIPs []s",
        ["ServicePort"] = "1 name s,2 protocol s,3 port z,4 targetPort I,5 nodePort z,6 appProtocol s",
        ["Role"] = "1 metadata ObjectMeta,2 rules []PolicyRule",
        ["ClusterRole"] = "1 metadata ObjectMeta,2 rules []PolicyRule,3 aggregationRule -",
        ["PolicyRule"] = "1 verbs []s,2 apiGroups []s,3 resources []s,4 resourceNames []s,5 nonResourceURLs []s",
        ["RoleBinding"] = "1 metadata ObjectMeta,2 subjects []Subject,3 roleRef RoleRef",
        ["ClusterRoleBinding"] = "1 metadata ObjectMeta,2 subjects []Subject,3 roleRef RoleRef",
        ["Subject"] = "1 kind s,2 apiGroup s,3 name s,4 namespace s",
        ["RoleRef"] = "1 apiGroup s,2 kind s,3 name s",
        ["ResourceQuota"] = "1 metadata ObjectMeta,2 spec ResourceQuotaSpec,3 status -",
        ["ResourceQuotaSpec"] = "1 hard {}Q,2 scopes []s",
        ["PodDisruptionBudget"] = "1 metadata ObjectMeta,2 spec PodDisruptionBudgetSpec,3 status -",
        ["PodDisruptionBudgetSpec"] = "1 minAvailable I,2 selector LabelSelector,3 maxUnavailable I",
        ["PriorityClass"] = "1 metadata ObjectMeta,2 value i,3 globalDefault f,4 description s,5 preemptionPolicy s",
        ["Eviction"] = "1 metadata ObjectMeta,2 deleteOptions DeleteOptions",
        ["DeleteOptions"] = "1 gracePeriodSeconds i,2 preconditions Preconditions,3 orphanDependents b,4 propagationPolicy s,5 dryRun []s",
        ["Preconditions"] = "1 uid s,2 resourceVersion s",
        ["SelfSubjectAccessReview"] = "1 metadata ObjectMeta,2 spec AccessSpec,3 status -",
        ["SelfSubjectRulesReview"] = "1 metadata ObjectMeta,2 spec RulesSpec,3 status -",
        ["SelfSubjectReview"] = "1 metadata ObjectMeta,2 status -",
        ["AccessSpec"] = "1 resourceAttributes ResourceAttributes,2 nonResourceAttributes PathAttributes",
        ["ResourceAttributes"] = "1 namespace s,2 verb s,3 group s,4 version s,5 resource s,6 subresource s,7 name s",
        ["PathAttributes"] = "1 path s,2 verb s",
        ["RulesSpec"] = "1 namespace s",
    }.ToDictionary(pair => pair.Key, pair => Parse(pair.Value), StringComparer.Ordinal);

    /// <summary>The fields of a message by number, or null for an unknown message.</summary>
    public static IReadOnlyDictionary<int, (string Name, string Type)>? Find(string message) => All.GetValueOrDefault(message);

    private static Dictionary<int, (string Name, string Type)> Parse(string line) => line.Split(',').Select(field => field.Split(' '))
        .ToDictionary(parts => int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture), parts => (parts[1], parts[2]));
}
