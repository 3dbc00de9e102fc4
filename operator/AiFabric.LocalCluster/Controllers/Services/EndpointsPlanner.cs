using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Services;

/// <summary>The Endpoints object's subsets and the EndpointSlices of one service.</summary>
internal sealed record EndpointsPlan(IReadOnlyList<V1EndpointSubset> Subsets, IReadOnlyList<V1EndpointSlice> Slices);

/// <summary>Decides which pods stand behind a service, on which ports.</summary>
internal static class EndpointsPlanner
{
    public static EndpointsPlan Plan(V1Service service, IEnumerable<V1Pod> pods)
    {
        // Pods may give one port name different numbers, so endpoints are grouped by the numbers their ports resolve to.
        IGrouping<string, (V1Pod Pod, ServicePort[] Ports)>[] groups =
        [
            .. pods.Where(p => Selected(service, p) && p.Status?.PodIP is not null && p.Status.Phase is not ("Succeeded" or "Failed"))
                .OrderBy(p => p.Metadata.Name, StringComparer.Ordinal)
                .Select(p => (Pod: p, Ports: Resolve(service, p)))
                .GroupBy(p => string.Join(',', p.Ports.Select(port => $"{port.Name}:{port.Number}/{port.Protocol}")))
                .OrderBy(g => g.Key, StringComparer.Ordinal),
        ];
        return new EndpointsPlan(
            [.. groups.Select(g => Subset(service, [.. g])).OfType<V1EndpointSubset>()],
            [.. groups.Select(g => Slice(service, g.Key, [.. g]))]);
    }

    private static bool Selected(V1Service service, V1Pod pod) =>
        service.Spec.Selector is { Count: > 0 } selector
        && selector.All(s => pod.Metadata.Labels is { } labels && labels.TryGetValue(s.Key, out string? value) && value == s.Value);

    private static ServicePort[] Resolve(V1Service service, V1Pod pod) =>
    [
        .. (service.Spec.Ports ?? []).Select(p => TargetPort(p, pod) is { } number ? new ServicePort(p.Name, number, p.Protocol ?? "TCP", p.AppProtocol) : null)
            .OfType<ServicePort>(),
    ];

    private static int? TargetPort(V1ServicePort port, V1Pod pod)
    {
        string? target = port.TargetPort?.Value;
        if (string.IsNullOrEmpty(target) || target == "0")
        {
            return port.Port;
        }

        return int.TryParse(target, CultureInfo.InvariantCulture, out int number)
            ? number
            : pod.Spec.Containers.SelectMany(c => c.Ports ?? []).FirstOrDefault(c => c.Name == target)?.ContainerPort;
    }

    private static bool Serves(V1Service service, V1Pod pod) =>
        service.Spec.PublishNotReadyAddresses == true || (PodReadiness.IsReady(pod) && pod.Metadata.DeletionTimestamp is null);

    private static V1EndpointSubset? Subset(V1Service service, (V1Pod Pod, ServicePort[] Ports)[] group)
    {
        (V1Pod Pod, ServicePort[] Ports)[] living = [.. group.Where(p => p.Pod.Metadata.DeletionTimestamp is null)];
        V1EndpointAddress[] ready = [.. living.Where(p => Serves(service, p.Pod)).Select(p => Address(p.Pod))];
        V1EndpointAddress[] waiting = [.. living.Where(p => !Serves(service, p.Pod)).Select(p => Address(p.Pod))];
        return ready.Length + waiting.Length == 0 ? null : new V1EndpointSubset
        {
            Addresses = ready.Length == 0 ? null : ready,
            NotReadyAddresses = waiting.Length == 0 ? null : waiting,
            Ports = group[0].Ports.Length == 0 ? null :
                [.. group[0].Ports.Select(p => new Corev1EndpointPort { Name = p.Name, Port = p.Number, Protocol = p.Protocol, AppProtocol = p.AppProtocol })],
        };
    }

    private static V1EndpointAddress Address(V1Pod pod) =>
        new() { Ip = pod.Status.PodIP, NodeName = pod.Spec.NodeName, TargetRef = Reference(pod) };

    private static V1ObjectReference Reference(V1Pod pod) =>
        new() { Kind = V1Pod.KubeKind, Name = pod.Metadata.Name, NamespaceProperty = pod.Metadata.NamespaceProperty, Uid = pod.Metadata.Uid };

    private static V1EndpointSlice Slice(V1Service service, string portKey, (V1Pod Pod, ServicePort[] Ports)[] group)
    {
        string suffix = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(portKey)))[..5];
        return new V1EndpointSlice
        {
            Metadata = new V1ObjectMeta
            {
                Name = $"{service.Metadata.Name}-{suffix}",
                NamespaceProperty = service.Metadata.NamespaceProperty,
                Labels = new Dictionary<string, string>
                {
                    [EndpointsController.ServiceLabel] = service.Metadata.Name,
                    [EndpointsController.ManagedByLabel] = EndpointsController.ManagedBy,
                },
                OwnerReferences = [TypedApi.ControllerReference(service)],
            },
            AddressType = "IPv4",
            Ports = [.. group[0].Ports.Select(p => new Discoveryv1EndpointPort { Name = p.Name ?? "", Port = p.Number, Protocol = p.Protocol, AppProtocol = p.AppProtocol })],
            Endpoints = [.. group.Select(p => Endpoint(service, p.Pod))],
        };
    }

    private static V1Endpoint Endpoint(V1Service service, V1Pod pod) => new()
    {
        Addresses = [pod.Status.PodIP],
        NodeName = pod.Spec.NodeName,
        TargetRef = Reference(pod),
        Conditions = new V1EndpointConditions
        {
            Ready = Serves(service, pod),
            Serving = PodReadiness.IsReady(pod),
            Terminating = pod.Metadata.DeletionTimestamp is not null,
        },
    };

    private sealed record ServicePort(string? Name, int Number, string Protocol, string? AppProtocol);
}
