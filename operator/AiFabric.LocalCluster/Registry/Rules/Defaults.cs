using System.Text;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

/// <summary>The static defaults of built-in kinds that clients and controllers rely on.</summary>
internal static class Defaults
{
    public static void Apply(ResourceType type, JsonObject found)
    {
        switch (type.Resource)
        {
            case "pods":
                var pod = found.Ensure("spec");
                pod["serviceAccountName"] ??= "default";
                PodDefaults.Apply(pod);
                pod["enableServiceLinks"] ??= true;
                break;
            case "secrets":
                Secret(found);
                break;
            case "services":
                Service(found.Ensure("spec"));
                break;
            case "jobs.batch":
                Job(found.Ensure("spec"));
                break;
            case "deployments.apps" or "replicasets.apps" or "statefulsets.apps" or "daemonsets.apps":
                Workload(type, found.Ensure("spec"));
                break;
            case "persistentvolumeclaims":
                found.Ensure("spec")["volumeMode"] ??= "Filesystem";
                break;
        }
    }

    private static void Secret(JsonObject secret)
    {
        secret["type"] ??= "Opaque";
        if (secret.Map("stringData") is not { } plain)
            return;
        var data = secret.Ensure("data");
        foreach (var (key, value) in plain)
            data[key] = Convert.ToBase64String(Encoding.UTF8.GetBytes(value?.ToString() ?? ""));
        secret.Remove("stringData");
    }

    private static void Service(JsonObject spec)
    {
        spec["type"] ??= "ClusterIP";
        spec["sessionAffinity"] ??= "None";
        spec["internalTrafficPolicy"] ??= "Cluster";
        foreach (var port in spec.Items("ports")?.OfType<JsonObject>() ?? [])
        {
            port["protocol"] ??= "TCP";
            port["targetPort"] ??= port["port"]?.DeepClone();
        }
    }

    private static void Job(JsonObject spec)
    {
        spec["backoffLimit"] ??= 6;
        spec["completionMode"] ??= "NonIndexed";
        spec["suspend"] ??= false;
        if (spec["completions"] is null && spec["parallelism"] is null)
            spec["completions"] = 1;
        spec["parallelism"] ??= 1;
        PodDefaults.Apply(spec.Ensure("template").Ensure("spec"));
    }

    private static void Workload(ResourceType type, JsonObject spec)
    {
        if (type.Plural != "daemonsets")
            spec["replicas"] ??= 1;
        if (type.Plural == "deployments")
        {
            spec["progressDeadlineSeconds"] ??= 600;
            spec["revisionHistoryLimit"] ??= 10;
            var strategy = spec.Ensure("strategy");
            strategy["type"] ??= "RollingUpdate";
            if (strategy.Text("type") == "RollingUpdate")
            {
                var rolling = strategy.Ensure("rollingUpdate");
                rolling["maxSurge"] ??= "25%";
                rolling["maxUnavailable"] ??= "25%";
            }
        }

        PodDefaults.Apply(spec.Ensure("template").Ensure("spec"));
    }
}
