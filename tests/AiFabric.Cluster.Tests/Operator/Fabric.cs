using System.Net;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using AiFabric.LocalCluster.Hosting;
using AiFabric.Operator;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;
using Xunit;

namespace AiFabric.Cluster.Tests.Operator;

/// <summary>
/// An API server with its controllers (the local one, or a namespace of a real one), the operator in this process, and fakes of what is outside of
/// it: a kubelet that gives each worker pod a <see cref="FakeWorker"/>, and a gateway that routes to every ready pod.
/// </summary>
internal sealed class Fabric : IAsyncDisposable
{
    private static int _spaces;

    private readonly Func<Task> _tearDown;
    private WebApplication? _gateway;
    private IHost? _operator;

    private Fabric(KubernetesClientConfiguration access, string space, Func<Task> tearDown, WritePolicy? policy = null)
    {
        (Access, Space, _tearDown, Policy) = (access, space, tearDown, policy);
        Client = new KubernetesClient(access, new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance);
        Kubelet = new FakeKubelet(Client, space);
    }

    /// <summary>Where the test's objects are, and all that the operator looks at.</summary>
    public string Space { get; }

    public FakeKubelet Kubelet { get; }

    public KubernetesClient Client { get; }

    /// <summary>What the gateway is asked for; null for a gateway that does not tell.</summary>
    public DemandReport? Demand { get; set; } = new() { Models = [] };

    /// <summary>Whether the gateway routes to anything.</summary>
    public bool GatewayRoutes { get; set; } = true;

    /// <summary>Which pods' routes the gateway has found out about.</summary>
    public Func<RouteEntry, bool> GatewayKnows { get; set; } = _ => true;

    public KubernetesClientConfiguration Access { get; }

    /// <summary>What the local API server refuses; null for a real one.</summary>
    public WritePolicy? Policy { get; }

    /// <summary>On a local API server of its own.</summary>
    public static async Task<Fabric> StartLocalAsync()
    {
        DirectoryInfo data = Directory.CreateTempSubdirectory("aifabric-cluster-");
        var policy = new WritePolicy();
        WebApplication cluster = LocalClusterHost.Build(
            new LocalClusterOptions { DataDirectory = data.FullName, Port = 0, RunNode = false },
            services => services.AddLogging(logging => logging.ClearProviders()).AddSingleton<IStartupFilter>(policy));
        await cluster.StartAsync();
        var fabric = new Fabric(
            KubeConfig.FromFile(Path.Combine(data.FullName, "kubeconfig")), "default",
            async () =>
            {
                await cluster.StopAsync();
                await cluster.DisposeAsync();
                data.Delete(recursive: true);
            },
            policy);
        await fabric.ApplyManifestsAsync();
        await fabric.StartPartsAsync();
        return fabric;
    }

    /// <summary>In a new namespace of a real control plane.</summary>
    public static async Task<Fabric> StartOnAsync(ControlPlane plane)
    {
        string space = $"operator-{Interlocked.Increment(ref _spaces)}";
        await plane.Client.CreateAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = space } });
        var fabric = new Fabric(KubeConfig.FromFile(plane.Kubeconfig), space, () => plane.Client.DeleteAsync<V1Namespace>(space));
        await fabric.StartPartsAsync();
        return fabric;
    }

    public async Task StartOperatorAsync()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["Operator:PollMilliseconds"] = "50",
            ["Operator:SteadySeconds"] = "1",
            ["Operator:UnreachableSeconds"] = "2",
            ["Operator:RetrySeconds"] = "1",
            ["Operator:DataUri"] = "file:///data",
            ["Operator:WorkerTemplateFile"] = Path.Combine(AppContext.BaseDirectory, "Operator", "fake-kubelet.yaml"),
            ["Operator:Namespace"] = Space,
            ["Operator:GatewayUrls:0"] = _gateway!.Urls.First(),
        });
        builder.Services.AddSingleton(Access);
        builder.Services.AddAiFabricOperator(builder.Configuration);
        _operator = builder.Build();
        await _operator.StartAsync();
    }

    public async Task StopOperatorAsync()
    {
        await _operator!.StopAsync();
        _operator.Dispose();
        _operator = null;
    }

    public Task CreateModelAsync(int replicas = 1, Action<CoServedModelSpec>? change = null)
    {
        var model = new CoServedModel
        {
            Metadata = new V1ObjectMeta { Name = "demo", NamespaceProperty = Space },
            Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" }, Replicas = replicas },
        };
        change?.Invoke(model.Spec);
        return Client.CreateAsync(model);
    }

    public Task CreateJobAsync(string name = "job", Action<FinetuneJobSpec>? change = null)
    {
        var job = new FinetuneJob
        {
            Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = Space },
            Spec = new FinetuneJobSpec
            {
                ModelRef = new LocalReference { Name = "demo" },
                Dataset = new DatasetSpec { Uri = "file:///data/train.jsonl" },
                Output = new OutputSpec { AdapterName = "french" },
            },
        };
        change?.Invoke(job.Spec);
        return Client.CreateAsync(job);
    }

    /// <summary>Waits until a condition has this status and, when given, this reason.</summary>
    public async Task<V1Condition> ConditionAsync<T>(string name, string type, string status, string? reason = null)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        V1Condition? last = null;
        await WaitAsync(
            async () =>
            {
                last = Conditions(await Client.GetAsync<T>(name, Space))?.FirstOrDefault(condition => condition.Type == type);
                return last?.Status == status && (reason is null || last.Reason == reason);
            },
            () => $"{typeof(T).Name} {name}: {type} to be {status}/{reason}; it is {last?.Status}/{last?.Reason}: {last?.Message}");
        return last!;
    }

    public static async Task WaitAsync(Func<Task<bool>> condition, Func<string> what)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromSeconds(40))
                Assert.Fail("Waited 40 s in vain for " + what());
            await Task.Delay(20);
        }
    }

    /// <summary>Deletes everything while the operator can still release it: what it would keep from going fails the test.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_operator is null)
            await StartOperatorAsync();
        await DeleteAllAsync<FinetuneJob>();
        await DeleteAllAsync<Adapter>();
        await DeleteAllAsync<CoServedModel>();
        await StopOperatorAsync();
        await Kubelet.DisposeAsync();
        await _gateway!.DisposeAsync();
        await _tearDown();
        Client.Dispose();
    }

    private async Task DeleteAllAsync<T>()
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        foreach (T entity in await Client.ListAsync<T>(Space))
            await Client.DeleteAsync<T>(entity.Metadata.Name, Space);
        await WaitAsync(async () => (await Client.ListAsync<T>(Space)).Count == 0, () => $"every {typeof(T).Name} to vanish");
    }

    private async Task StartPartsAsync()
    {
        await StartGatewayAsync();
        await StartOperatorAsync();
    }

    private static IEnumerable<V1Condition>? Conditions<T>(T? entity) => entity switch
    {
        CoServedModel model => model.Status?.Conditions,
        Adapter adapter => adapter.Status?.Conditions,
        FinetuneJob job => job.Status?.Conditions,
        Pipeline pipeline => pipeline.Status?.Conditions,
        _ => null,
    };

    /// <summary>Without CEL rules, as a server before 1.25 stores them.</summary>
    private async Task ApplyManifestsAsync()
    {
        foreach (string path in Directory.GetFiles(Path.Combine(ControlPlane.Repository, "crds", "manifests"), "*.yaml"))
        {
            var definition = KubernetesYaml.Deserialize<V1CustomResourceDefinition>(await File.ReadAllTextAsync(path));
            foreach (V1CustomResourceDefinitionVersion version in definition.Spec.Versions)
                DropRules(version.Schema.OpenAPIV3Schema);
            await Client.CreateAsync(definition);
        }
    }

    private static void DropRules(V1JSONSchemaProps schema)
    {
        schema.XKubernetesValidations = null;
        foreach (V1JSONSchemaProps property in schema.Properties?.Values ?? [])
            DropRules(property);
    }

    private async Task StartGatewayAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _gateway = builder.Build();
        _gateway.MapGet("/internal/routes", () => Results.Json(
            new RouteReport { Routes = GatewayRoutes ? [.. Kubelet.Routes().Where(GatewayKnows)] : [] }, ControlJson.Default.RouteReport));
        _gateway.MapGet("/internal/demand", () => Demand is { } demand ? Results.Json(demand, ControlJson.Default.DemandReport) : Results.NotFound());
        await _gateway.StartAsync();
    }
}
