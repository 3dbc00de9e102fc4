using System.Net.Http.Json;
using AiFabric.Cluster.Tests.Operator;
using AiFabric.Crds.Common;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Crds.Schema;
using AiFabric.Gateway;
using AiFabric.Gateway.Http;
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
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>The tests that share one bench, one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class GatewayGroup : ICollectionFixture<GatewayBench>
{
    public const string Name = "gateway";
}

/// <summary>
/// A local API server and a real gateway over it, both in this process. Models and pods are declared as objects: nothing runs them, so that each
/// test says which worker stands behind a pod.
/// </summary>
public sealed class GatewayBench : IAsyncLifetime
{
    public const string Space = "default";

    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("aifabric-gateway-");
    private WebApplication? _cluster;
    private WebApplication? _gateway;
    private KubernetesClientConfiguration? _access;
    private IKubernetesClient? _client;

    public IKubernetesClient Client => _client!; // set on start

    /// <summary>By which processes reach the API server.</summary>
    public string KubeConfigFile => Path.Combine(_data.FullName, "kubeconfig");

    /// <summary>Base address of the gateway that all tests share.</summary>
    public Uri Url => new(_gateway!.Urls.First()); // set on start

    /// <summary>Base address of a gateway's internal port.</summary>
    public static Uri Internal(WebApplication gateway) => gateway.Services.GetRequiredService<InternalServer>().Address;

    /// <summary>Base address of the shared gateway's internal port.</summary>
    public Uri InternalUrl => Internal(_gateway!); // set on start

    public HttpClient Http { get; } = new(new SocketsHttpHandler { UseProxy = false, ResponseDrainTimeout = TimeSpan.Zero });

    public async ValueTask InitializeAsync()
    {
        _cluster = LocalClusterHost.Build(
            new LocalClusterOptions { DataDirectory = _data.FullName, Port = 0, RunNode = false, RunControllers = false },
            services => services.AddLogging(logging => logging.ClearProviders()));
        await _cluster.StartAsync();
        _access = KubeConfig.FromFile(KubeConfigFile);
        _client = new KubernetesClient(_access, new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance);
        foreach (string definition in CrdManifests.Read().Values)
            await Client.CreateAsync(KubernetesYaml.Deserialize<V1CustomResourceDefinition>(definition));
        await WaitAsync(async () => await SucceedsAsync(() => Client.ListAsync<CoServedModel>()), () => "the API server to know CoServedModel");
        _gateway = await StartGatewayAsync();
        Http.BaseAddress = Url;
    }

    /// <summary>Starts one more gateway, with other settings, and waits until it knows its routes.</summary>
    public async Task<WebApplication> StartGatewayAsync(params string[] settings)
    {
        WebApplication gateway = GatewayHost.Build(
            ["--Gateway:Listen", "http://127.0.0.1:0", "--Gateway:InternalListen", "http://127.0.0.1:0", "--Gateway:ProbeIntervalMilliseconds", "100", "--Gateway:DrainSeconds", "0", "--Gateway:HoldSeconds", "1", "--Logging:LogLevel:Default", "None", .. settings],
            services => services.AddSingleton(_access!)); // set on start
        await gateway.StartAsync();
        using var http = new HttpClient { BaseAddress = Internal(gateway) };
        await WaitAsync(async () => (await http.GetAsync("/readyz")).IsSuccessStatusCode, () => "the gateway to be ready");
        return gateway;
    }

    public Task DeclareModelAsync(string name, string space = Space, string? servedName = null, RoutingSpec? routing = null) => Client.CreateAsync(new CoServedModel
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = space },
        Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo", Name = servedName }, Routing = routing },
    });

    /// <summary>Declares a pipeline, and waits until the gateway serves it.</summary>
    public async Task DeclarePipelineAsync(string name, PipelineSpec spec)
    {
        await Client.CreateAsync(new Pipeline { Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = Space }, Spec = spec });
        await WaitAsync(async () => (await ReportAsync()).Pipelines.Any(p => p.Name == name), () => $"the gateway to serve pipeline {name}");
    }

    /// <summary>Declares a ready pod of a pipeline's function, which listens on <paramref name="port"/> here, and waits until the gateway calls it.</summary>
    public async Task<V1Pod> DeclareFunctionAsync(string pod, string pipeline, string stage, int port)
    {
        V1Pod made = await Client.CreateAsync(new V1Pod
        {
            ApiVersion = "v1",
            Kind = "Pod",
            Metadata = new V1ObjectMeta
            {
                Name = pod,
                NamespaceProperty = Space,
                Labels = new Dictionary<string, string> { [Labels.Pipeline] = pipeline, [Labels.Stage] = stage, [Labels.Revision] = "r1" },
            },
            Spec = new V1PodSpec { Containers = [new V1Container { Name = "function", Image = "function", Ports = [new V1ContainerPort { ContainerPort = port }] }] },
        });
        await SetReadyAsync(made, ready: true);
        await WaitAsync(
            async () => (await ReportAsync()).Pipelines.Any(p => p.Name == pipeline && p.Functions.Contains(made.Metadata.Uid)), () => $"the gateway to call {pod}");
        return made;
    }

    /// <summary>Declares a ready pod of a model, whose serving port is <paramref name="port"/> here.</summary>
    public async Task DeclarePodAsync(string pod, string model, int port, string space = Space, string? servedName = null)
    {
        V1Pod made = await Client.CreateAsync(new V1Pod
        {
            ApiVersion = "v1",
            Kind = "Pod",
            Metadata = new V1ObjectMeta
            {
                Name = pod,
                NamespaceProperty = space,
                Labels = new Dictionary<string, string> { [Labels.Model] = model, [Labels.Revision] = "r1" },
                Annotations = new Dictionary<string, string> { [Annotations.ServedName] = servedName ?? model },
            },
            Spec = new V1PodSpec
            {
                Containers = [new V1Container { Name = "worker", Image = "worker", Ports = [new V1ContainerPort { Name = Ports.Serving, ContainerPort = port }] }],
            },
        });
        await SetReadyAsync(made, ready: true);
    }

    /// <summary>Writes a pod's readiness as a kubelet would, through the status subresource.</summary>
    public async Task SetReadyAsync(V1Pod pod, bool ready)
    {
        pod.Status = new V1PodStatus
        {
            Phase = "Running",
            PodIP = "127.0.0.1",
            Conditions = [new V1PodCondition { Type = "Ready", Status = ready ? "True" : "False" }],
        };
        await Client.UpdateStatusAsync(pod);
    }

    /// <summary>Declares a model with one ready pod before each worker, and waits until the gateway routes to all.</summary>
    public Task ServeAsync(string model, params FakeWorker[] workers) => ServeAsync(model, null, workers);

    /// <summary>The same of a model with a routing of its own.</summary>
    public async Task ServeAsync(string model, RoutingSpec? routing, params FakeWorker[] workers)
    {
        await DeclareModelAsync(model, routing: routing);
        for (int i = 0; i < workers.Length; i++)
            await DeclarePodAsync($"{model}-{i}", model, workers[i].Port);
        await WaitAsync(
            async () => (await RoutesAsync()).Count(r => r.Model == model) == workers.Length, () => $"{workers.Length} routes to {model}");
    }

    /// <summary>What the gateway says that it routes to.</summary>
    public async Task<IReadOnlyList<RouteEntry>> RoutesAsync() => (await ReportAsync()).Routes;

    /// <summary>All that the gateway says of its routes.</summary>
    public async Task<RouteReport> ReportAsync() =>
        (await Http.GetFromJsonAsync(new Uri(InternalUrl, "/internal/routes"), ControlJson.Default.RouteReport))!; // never the JSON null

    /// <summary>Polls until the condition holds; fails after a deadline.</summary>
    public static Task WaitAsync(Func<Task<bool>> condition, Func<string> what) => Fabric.WaitAsync(condition, what);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        foreach (WebApplication? app in new[] { _gateway, _cluster })
        {
            if (app is null)
                continue;
            await app.StopAsync();
            await app.DisposeAsync();
        }

        _data.Delete(recursive: true);
    }

    private static async Task<bool> SucceedsAsync(Func<Task> call)
    {
        try
        {
            await call();
            return true;
        }
        catch (KubernetesApiException)
        {
            return false;
        }
    }
}
