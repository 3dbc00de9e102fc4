using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

/// <summary>The defaults of a pod's spec, in pods and in templates.</summary>
internal static class PodDefaults
{
    public static void Apply(JsonObject spec)
    {
        spec["restartPolicy"] ??= "Always";
        spec["terminationGracePeriodSeconds"] ??= 30;
        spec["dnsPolicy"] ??= "ClusterFirst";
        spec["schedulerName"] ??= "default-scheduler";
        spec["securityContext"] ??= new JsonObject();
        if (spec.Text("serviceAccountName") is { } account)
            spec["serviceAccount"] ??= account;
        foreach (var list in (string[])["initContainers", "containers"])
        {
            foreach (var container in spec.Items(list)?.OfType<JsonObject>() ?? [])
                Container(container);
        }

        foreach (var volume in spec.Items("volumes")?.OfType<JsonObject>() ?? [])
        {
            foreach (var kind in (string[])["configMap", "secret", "projected", "downwardAPI"])
            {
                if (volume.Map(kind) is { } source)
                    source["defaultMode"] ??= 420;
            }
        }
    }

    /// <summary>Guaranteed when every container's limits equal its requests, BestEffort when none has any, else Burstable.</summary>
    public static string QosClass(JsonObject pod)
    {
        var resources = (pod.Items("spec", "containers")?.OfType<JsonObject>() ?? []).Select(container => container.Map("resources")).ToArray();
        if (resources.All(one => one.Map("requests") is not { Count: > 0 } && one.Map("limits") is not { Count: > 0 }))
            return "BestEffort";
        return resources.All(one => one.Map("limits") is { } limits && limits.ContainsKey("cpu") && limits.ContainsKey("memory")
            && JsonNode.DeepEquals(one.Map("requests") ?? limits, limits))
            ? "Guaranteed"
            : "Burstable";
    }

    private static void Container(JsonObject container)
    {
        var image = container.Text("image") ?? "";
        container["imagePullPolicy"] ??= image.EndsWith(":latest", StringComparison.Ordinal) || !image.Split('/')[^1].Contains(':', StringComparison.Ordinal)
            ? "Always"
            : "IfNotPresent";
        container["terminationMessagePath"] ??= "/dev/termination-log";
        container["terminationMessagePolicy"] ??= "File";
        container["resources"] ??= new JsonObject();
        foreach (var port in container.Items("ports")?.OfType<JsonObject>() ?? [])
            port["protocol"] ??= "TCP";
        foreach (var name in (string[])["livenessProbe", "readinessProbe", "startupProbe"])
        {
            if (container.Map(name) is { } probe)
                Probe(probe);
        }
    }

    private static void Probe(JsonObject probe)
    {
        probe["timeoutSeconds"] ??= 1;
        probe["periodSeconds"] ??= 10;
        probe["successThreshold"] ??= 1;
        probe["failureThreshold"] ??= 3;
        if (probe.Map("httpGet") is not { } get)
            return;
        get["scheme"] ??= "HTTP";
        get["path"] ??= "/";
    }
}
