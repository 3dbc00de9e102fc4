using System.Globalization;
using System.Text.RegularExpressions;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>The downward API: fields of the pod and resources of its containers as text.</summary>
internal static partial class PodFields
{
    /// <exception cref="ConfigException">The path is not one that the downward API offers.</exception>
    public static string Field(V1Pod pod, string path, string podIp)
    {
        if (Indexed().Match(path) is { Success: true } match)
        {
            IDictionary<string, string>? map = match.Groups["map"].Value == "labels" ? pod.Metadata.Labels : pod.Metadata.Annotations;
            return map is not null && map.TryGetValue(match.Groups["key"].Value, out string? value) ? value : "";
        }

        return path switch
        {
            "metadata.name" => pod.Metadata.Name,
            "metadata.namespace" => pod.Metadata.NamespaceProperty,
            "metadata.uid" => pod.Metadata.Uid,
            "metadata.labels" => Map(pod.Metadata.Labels),
            "metadata.annotations" => Map(pod.Metadata.Annotations),
            "spec.nodeName" => pod.Spec.NodeName,
            "spec.serviceAccountName" => pod.Spec.ServiceAccountName ?? "default",
            "status.podIP" or "status.podIPs" => podIp,
            "status.hostIP" or "status.hostIPs" => "127.0.0.1",
            _ => throw new ConfigException($"fieldPath \"{path}\" is not supported by the downward API"),
        };
    }

    /// <summary>A container's limit or request divided by the divisor, rounded up; an absent limit is what the node has.</summary>
    /// <exception cref="ConfigException">An unknown resource.</exception>
    public static string Resource(V1ResourceFieldSelector selector, V1Container container, NodeCapacity capacity)
    {
        string[] parts = selector.Resource.Split('.', 2);
        if (parts.Length != 2 || parts[0] is not ("limits" or "requests"))
        {
            throw new ConfigException($"resource \"{selector.Resource}\" must be limits.NAME or requests.NAME");
        }

        IDictionary<string, ResourceQuantity>? limits = container.Resources?.Limits;
        IDictionary<string, ResourceQuantity>? own = parts[0] == "limits" ? limits : container.Resources?.Requests ?? limits;
        decimal amount = own is not null && own.TryGetValue(parts[1], out ResourceQuantity? quantity) ? quantity.ToDecimal() : parts[1] switch
        {
            "cpu" => capacity.Cpus,
            "memory" => capacity.MemoryBytes,
            "ephemeral-storage" => 0,
            _ => throw new ConfigException($"resource \"{selector.Resource}\" is not known to this node"),
        };
        decimal divisor = selector.Divisor?.ToDecimal() is { } d and > 0 ? d : 1;
        return Math.Ceiling(amount / divisor).ToString(CultureInfo.InvariantCulture);
    }

    private static string Map(IDictionary<string, string>? map) =>
        string.Join('\n', (map ?? new Dictionary<string, string>()).OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => $"{m.Key}=\"{m.Value}\""));

    [GeneratedRegex(@"^metadata\.(?<map>labels|annotations)\['(?<key>[^']+)'\]$")]
    private static partial Regex Indexed();
}
