using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Services;

/// <summary>kube-proxy's part: listens on each service's cluster IP (and node port) and forwards to its ready endpoints.</summary>
internal sealed class ServiceProxy(IClusterApi api, ControllerOptions options, TimeProvider time, ILogger<ServiceProxy> logger)
    : Controller(api, time, logger)
{
    private static readonly TimeSpan BindRetry = TimeSpan.FromSeconds(5);
    private readonly Dictionary<ObjectKey, Dictionary<IPEndPoint, TcpRelay>> _relays = [];

    protected override IReadOnlyList<WatchedType> Watches { get; } =
    [
        new("", "services", item => [ObjectKey.Of(item)]),
        new("discovery.k8s.io", "endpointslices", ServiceOf),
    ];

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        foreach (TcpRelay relay in _relays.Values.SelectMany(r => r.Values))
        {
            await relay.DisposeAsync();
        }
    }

    protected override TimeSpan? Reconcile(ObjectKey key)
    {
        if (!options.ProxyServices)
        {
            return null;
        }

        V1Service? service = Api.Get<V1Service>(key.Namespace, key.Name);
        IReadOnlyList<V1EndpointSlice> slices = Api.List<V1EndpointSlice>(key.Namespace, $"{EndpointsController.ServiceLabel}={key.Name}");
        Dictionary<IPEndPoint, IPEndPoint[]> wanted = service is null ? [] : Wanted(service, slices);
        if (!_relays.TryGetValue(key, out Dictionary<IPEndPoint, TcpRelay>? relays))
        {
            _relays[key] = relays = [];
        }

        foreach (IPEndPoint gone in relays.Keys.Except(wanted.Keys).ToList())
        {
            relays.Remove(gone, out TcpRelay? relay);
            _ = relay!.DisposeAsync().AsTask(); // the key came from this dictionary
        }

        bool missing = false;
        foreach ((IPEndPoint address, IPEndPoint[] targets) in wanted)
        {
            missing |= !Serve(relays, address, targets);
        }

        if (relays.Count == 0)
        {
            _relays.Remove(key);
        }

        return missing ? BindRetry : null;
    }

    /// <summary>Listening address → ready targets.</summary>
    internal static Dictionary<IPEndPoint, IPEndPoint[]> Wanted(V1Service service, IReadOnlyList<V1EndpointSlice> slices)
    {
        var wanted = new Dictionary<IPEndPoint, IPEndPoint[]>();
        if (!IPAddress.TryParse(service.Spec.ClusterIP, out IPAddress? clusterIp) || !IPAddress.IsLoopback(clusterIp))
        {
            return wanted; // headless, not yet allocated, or an address of another machine
        }

        foreach (V1ServicePort port in (service.Spec.Ports ?? []).Where(p => p.Protocol is null or "TCP"))
        {
            IPEndPoint[] targets =
            [
                .. from slice in slices
                   from slicePort in slice.Ports ?? []
                   where (slicePort.Name ?? "") == (port.Name ?? "") && slicePort.Port is not null
                   from endpoint in slice.Endpoints ?? []
                   where endpoint.Conditions?.Ready != false
                   from address in endpoint.Addresses
                   select new IPEndPoint(IPAddress.Parse(address), slicePort.Port ?? port.Port),
            ];
            wanted[new IPEndPoint(clusterIp, port.Port)] = targets;
            if (port.NodePort is { } nodePort and > 0)
            {
                wanted[new IPEndPoint(IPAddress.Loopback, nodePort)] = targets;
            }
        }

        return wanted;
    }

    private bool Serve(Dictionary<IPEndPoint, TcpRelay> relays, IPEndPoint address, IPEndPoint[] targets)
    {
        if (!relays.TryGetValue(address, out TcpRelay? relay))
        {
            try
            {
                relays[address] = relay = new TcpRelay(address, logger);
            }
            catch (SocketException taken)
            {
                Log.CannotListen(logger, address, taken);
                return false;
            }
        }

        relay.SetTargets(targets);
        return true;
    }

    private static IEnumerable<ObjectKey> ServiceOf(JsonObject slice) =>
        slice["metadata"]?["labels"]?[EndpointsController.ServiceLabel]?.GetValue<string>() is { } name
            ? [new ObjectKey(ObjectKey.Of(slice).Namespace, name)]
            : [];
}
