using System.Net;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
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
/// A local API server with its controllers, the operator in this process, and fakes of what is outside of it: a kubelet that gives each worker pod
/// a <see cref="FakeWorker"/>, and a gateway that routes to every ready pod.
/// </summary>
internal sealed class Fabric : IAsyncDisposable
{
    public const string Space = "default";

    private WebApplication? _cluster;
    private WebApplication? _gateway;
    private IHost? _operator;

    public required FakeKubelet Kubelet { get; init; }

    public required IKubernetesClient Client { get; init; }

    /// <summary>Whether the gateway routes to anything.</summary>
    public bool GatewayRoutes { get; set; } = true;

    public required KubernetesClientConfiguration Access { get; init; }

    public required DirectoryInfo Data { get; init; }

    public static async Task<Fabric> StartAsync()
    {
        DirectoryInfo data = Directory.CreateTempSubdirectory("aifabric-cluster-");
        WebApplication cluster = LocalClusterHost.Build(
            new LocalClusterOptions { DataDirectory = data.FullName, Port = 0, RunNode = false },
            services => services.AddLogging(logging => logging.ClearProviders()));
        await cluster.StartAsync();
        KubernetesClientConfiguration access = KubeConfig.FromFile(Path.Combine(data.FullName, "kubeconfig"));
        var client = new KubernetesClient(access, new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance);
        var fabric = new Fabric { Client = client, Access = access, Data = data, Kubelet = new FakeKubelet(client) };
        fabric._cluster = cluster;
        await fabric.ApplyManifestsAsync();
        await fabric.StartGatewayAsync();
        await fabric.StartOperatorAsync();
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

    public async ValueTask DisposeAsync()
    {
        if (_operator is not null)
            await StopOperatorAsync();
        await Kubelet.DisposeAsync();
        await _gateway!.DisposeAsync();
        await _cluster!.StopAsync();
        await _cluster.DisposeAsync();
        Data.Delete(recursive: true);
    }

    private static IEnumerable<V1Condition>? Conditions<T>(T? entity) => entity switch
    {
        CoServedModel model => model.Status?.Conditions,
        Adapter adapter => adapter.Status?.Conditions,
        FinetuneJob job => job.Status?.Conditions,
        _ => null,
    };

    private async Task ApplyManifestsAsync()
    {
        foreach (string path in Directory.GetFiles(Path.Combine(Root(AppContext.BaseDirectory), "crds", "manifests"), "*.yaml"))
            await Client.CreateAsync(KubernetesYaml.Deserialize<V1CustomResourceDefinition>(await File.ReadAllTextAsync(path)));
    }

    private async Task StartGatewayAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        _gateway = builder.Build();
        _gateway.Run(context => context.Response.WriteAsJsonAsync(
            new RouteReport { Routes = GatewayRoutes ? Kubelet.Routes() : [] }, ControlJson.Default.RouteReport));
        await _gateway.StartAsync();
    }

    private static string Root(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : Root(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}
