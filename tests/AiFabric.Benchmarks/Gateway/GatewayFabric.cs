using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using AiFabric.Benchmarks.Machine;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Schema;
using AiFabric.Kube;
using AiFabric.LocalCluster.Hosting;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace AiFabric.Benchmarks.Gateway;

/// <summary>The gateway's own executable over a local API server in which one model and its workers are declared as ready pods: nothing else runs.</summary>
internal sealed class GatewayFabric : IAsyncDisposable
{
    public const string Model = "bench";

    private const string Space = "default";

    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("aifabric-bench-gateway-");
    private readonly WebApplication _cluster;
    private readonly Uri _internal = new($"http://127.0.0.1:{FreePort()}");
    private KubernetesClient? _client;
    private Process? _process;

    private GatewayFabric() => _cluster = LocalClusterHost.Build(
        new LocalClusterOptions { DataDirectory = _data.FullName, Port = 0, RunNode = false, RunControllers = false },
        services => services.AddLogging(logging => logging.ClearProviders()));

    /// <summary>Base address of the public port.</summary>
    public Uri Url { get; } = new($"http://127.0.0.1:{FreePort()}");

    public int ProcessId => _process!.Id; // Started.

    /// <summary>Starts all; the gateway routes to workers on these ports when this returns.</summary>
    /// <exception cref="BenchException">The gateway did not come up.</exception>
    public static async Task<GatewayFabric> StartAsync(string repository, IReadOnlyList<int> ports, CancellationToken cancellationToken)
    {
        var fabric = new GatewayFabric();
        await fabric._cluster.StartAsync(cancellationToken);
        string kubeconfig = Path.Combine(fabric._data.FullName, "kubeconfig");
        fabric._client = new KubernetesClient(KubeConfig.FromFile(kubeconfig), new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance);
        foreach (string definition in CrdManifests.Read().Values)
            await fabric._client.CreateAsync(KubernetesYaml.Deserialize<V1CustomResourceDefinition>(definition), cancellationToken: cancellationToken);
        await fabric.DeclareAsync(ports, cancellationToken);
        fabric._process = Shell.Start(
            Repository.Executable(repository, "AiFabric.Gateway", "AiFabric.Gateway"), new Dictionary<string, string> { ["KUBECONFIG"] = kubeconfig },
            Path.Combine(fabric._data.FullName, "gateway.log"),
            "--Gateway:Listen", fabric.Url.ToString(), "--Gateway:InternalListen", fabric._internal.ToString(), "--Gateway:DrainSeconds", "0");
        await fabric.RoutesToAsync(ports.Count, cancellationToken);
        return fabric;
    }

    /// <summary>Sets the model's policy; the gateway follows it when this returns.</summary>
    public async Task SetPolicyAsync(RoutingPolicy policy, CancellationToken cancellationToken)
    {
        CoServedModel model = (await _client!.GetAsync<CoServedModel>(Model, Space, cancellationToken))!; // Started, declared.
        model.Spec.Routing = new RoutingSpec { Policy = policy };
        await _client.UpdateAsync(model, cancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken); // Its watch hears of it at once; two of its rounds are more than enough.
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
            _process.Kill();
        _process?.Dispose();
        await _cluster.DisposeAsync();
        _data.Delete(recursive: true);
    }

    /// <summary>A port of loopback that nobody listens on.</summary>
    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port; // It is bound.
    }

    private async Task DeclareAsync(IReadOnlyList<int> ports, CancellationToken cancellationToken)
    {
        var model = new CoServedModel
        {
            Metadata = new V1ObjectMeta { Name = Model, NamespaceProperty = Space },
            Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" } },
        };
        await UntilAsync(async () => await TryAsync(() => _client!.CreateAsync(model, cancellationToken: cancellationToken)), "the API server to know CoServedModel", cancellationToken); // Set on start.
        for (int i = 0; i < ports.Count; i++)
        {
            V1Pod pod = await _client!.CreateAsync(Pod(i, ports[i]), cancellationToken: cancellationToken); // Set on start.
            pod.Status = new V1PodStatus { Phase = "Running", PodIP = "127.0.0.1", Conditions = [new V1PodCondition { Type = "Ready", Status = "True" }] };
            await _client.UpdateStatusAsync(pod, cancellationToken);
        }
    }

    private static V1Pod Pod(int number, int port) => new()
    {
        ApiVersion = "v1",
        Kind = "Pod",
        Metadata = new V1ObjectMeta
        {
            Name = string.Create(CultureInfo.InvariantCulture, $"{Model}-{number}"),
            NamespaceProperty = Space,
            Labels = new Dictionary<string, string> { [Labels.Model] = Model, [Labels.Revision] = "r1" },
            Annotations = new Dictionary<string, string> { [Annotations.ServedName] = Model },
        },
        Spec = new V1PodSpec { Containers = [new V1Container { Name = "worker", Image = "worker", Ports = [new V1ContainerPort { Name = Ports.Serving, ContainerPort = port }] }] },
    };

    private async Task RoutesToAsync(int count, CancellationToken cancellationToken)
    {
        using var http = new HttpClient();
        await UntilAsync(
            async () =>
            {
                if (_process!.HasExited) // Started.
                    throw new BenchException($"the gateway ended: {await File.ReadAllTextAsync(Path.Combine(_data.FullName, "gateway.log"), cancellationToken)}");
                return await TryAsync(async () =>
                {
                    RouteReport? report = await http.GetFromJsonAsync(new Uri(_internal, "/internal/routes"), ControlJson.Default.RouteReport, cancellationToken);
                    if (report?.Routes.Count != count)
                        throw new HttpRequestException("not yet");
                });
            },
            $"the gateway to route to {count} workers", cancellationToken);
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, string what, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromMinutes(1))
                throw new BenchException($"waited a minute for {what}");
            await Task.Delay(50, cancellationToken);
        }
    }

    private static async Task<bool> TryAsync(Func<Task> call)
    {
        try
        {
            await call();
            return true;
        }
        catch (Exception e) when (e is KubernetesApiException or HttpRequestException)
        {
            return false;
        }
    }
}
