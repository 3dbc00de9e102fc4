using System.Runtime.InteropServices;
using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Node.Pods;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Node;

/// <summary>Registers the node, says that it is ready, and renews its lease.</summary>
internal sealed class NodeHeartbeat(IClusterApi api, PodHost host, TimeProvider time, ILogger<NodeHeartbeat> logger) : BackgroundService
{
    private const string LeaseNamespace = "kube-node-lease";
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    private readonly TypedApi _api = new(api);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield(); // the host's start must not wait for the first beat
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                Beat();
            }
#pragma warning disable CA1031 // loop top: a missed beat is followed by the next
            catch (Exception failure)
#pragma warning restore CA1031
            {
                Log.HeartbeatFailed(logger, failure);
            }

            await Task.Delay(Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private void Beat()
    {
        string name = host.Options.Name;
        V1Node node = _api.Get<V1Node>(null, name) ?? _api.Create(new V1Node
        {
            Metadata = new V1ObjectMeta
            {
                Name = name,
                Labels = new Dictionary<string, string>
                {
                    ["kubernetes.io/hostname"] = name,
                    ["kubernetes.io/os"] = "linux",
                    ["kubernetes.io/arch"] = Architecture(),
                },
            },
            Spec = new V1NodeSpec(),
        });
        _api.WriteStatus(node, Status(node));
        Renew(name);
    }

    private void Renew(string name)
    {
        if (_api.Get<V1Namespace>(null, LeaseNamespace) is null)
        {
            _api.Create(new V1Namespace { Metadata = new V1ObjectMeta { Name = LeaseNamespace } });
        }

        string now = time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", System.Globalization.CultureInfo.InvariantCulture);
        if (_api.Get<V1Lease>(LeaseNamespace, name) is null)
        {
            _api.Create(new V1Lease
            {
                Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = LeaseNamespace },
                Spec = new V1LeaseSpec { HolderIdentity = name, LeaseDurationSeconds = 40 },
            });
        }

        _api.Modify<V1Lease>(LeaseNamespace, name, lease => lease["spec"]!["renewTime"] = now);
    }

    private V1NodeStatus Status(V1Node node)
    {
        var resources = new Dictionary<string, ResourceQuantity>
        {
            ["cpu"] = new($"{host.Capacity.Cpus}"),
            ["memory"] = new($"{host.Capacity.MemoryBytes / 1024}Ki"),
            ["pods"] = new($"{host.Options.MaxPods}"),
        };
        DateTime now = WireTime.Seconds(time.GetUtcNow()).UtcDateTime;
        V1NodeCondition? before = node.Status?.Conditions?.FirstOrDefault(c => c is { Type: "Ready", Status: "True" });
        return new V1NodeStatus
        {
            Capacity = resources,
            Allocatable = resources,
            Addresses = [new() { Address = "127.0.0.1", Type = "InternalIP" }, new() { Address = host.Options.Name, Type = "Hostname" }],
            Conditions =
            [
                // The lease is the heartbeat; a time here would make every beat a write of the whole node.
                before ?? new V1NodeCondition
                {
                    Type = "Ready", Status = "True", Reason = "KubeletReady", Message = "the node runs pods as processes",
                    LastHeartbeatTime = now, LastTransitionTime = now,
                },
            ],
            NodeInfo = new V1NodeSystemInfo
            {
                Architecture = Architecture(),
                OperatingSystem = "linux",
                OsImage = RuntimeInformation.OSDescription,
                KernelVersion = Environment.OSVersion.Version.ToString(),
                ContainerRuntimeVersion = "process://1",
                KubeletVersion = "v1.33.0-aifabric",
                KubeProxyVersion = "",
                MachineID = "",
                SystemUUID = "",
                BootID = "",
            },
        };
    }

    private static string Architecture() => RuntimeInformation.OSArchitecture == System.Runtime.InteropServices.Architecture.Arm64 ? "arm64" : "amd64";
}
