using System.Net;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Hosting;
using AiFabric.LocalCluster.Node;
using AiFabric.LocalCluster.Registry;
using k8s;
using k8s.Models;
using Xunit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace AiFabric.Cluster.Tests.LocalCluster.Node;

/// <summary>A cluster without HTTP in this process: store, controllers and a node, over a folder that may outlive it.</summary>
internal sealed class LocalNode : IAsyncDisposable
{
    private static int _networks;
    private readonly IHost _host;
    private readonly bool _ownsFolder;

    private LocalNode(IHost host, string folder, bool ownsFolder, IPAddress network)
    {
        _host = host;
        Folder = folder;
        _ownsFolder = ownsFolder;
        Network = network;
        Raw = host.Services.GetRequiredService<IClusterApi>();
        Api = new TypedApi(Raw);
        Logs = host.Services.GetRequiredService<IPodLogs>();
    }

    public string Folder { get; }

    public IPAddress Network { get; }

    public IClusterApi Raw { get; }

    public TypedApi Api { get; }

    public IPodLogs Logs { get; }

    public static async Task<LocalNode> StartAsync(Action<NodeOptions>? configure = null, LocalNode? after = null)
    {
        string folder = after?.Folder ?? Directory.CreateTempSubdirectory("aifabric-node-").FullName;
        IPAddress network = after?.Network ?? IPAddress.Parse($"127.{110 + (Interlocked.Increment(ref _networks) % 100)}.0.0");
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddLogging();
        LocalClusterHost.AddRegistry(builder.Services, new LocalClusterOptions { DataDirectory = folder });
        builder.Services.AddClusterControllers(options => options.JobBackoff = TimeSpan.FromMilliseconds(200));
        builder.Services.AddNode(options =>
        {
            options.DataFolder = Path.Combine(folder, "node");
            options.PodNetwork = network;
            options.PollInterval = TimeSpan.FromMilliseconds(50);
            options.RestartBackoff = TimeSpan.FromMilliseconds(300);
            configure?.Invoke(options);
        });
        IHost host = builder.Build();
        await host.StartAsync();
        return new LocalNode(host, folder, after is null || after._ownsFolder, network);
    }

    public V1Pod Create(V1Pod pod)
    {
        pod.Metadata.NamespaceProperty ??= "default";
        return Api.Create(pod);
    }

    public T CreateYaml<T>(string yaml)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        T item = KubernetesYaml.Deserialize<T>(yaml);
        item.Metadata.NamespaceProperty ??= "default";
        return Api.Create(item);
    }

    /// <summary>Polls until the object is as wanted.</summary>
    public async Task<T> UntilAsync<T>(string name, Func<T, bool> wanted, string what, int seconds = 20)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        T? last = null;
        await Eventually.TrueAsync(
            () => (last = Api.Get<T>("default", name)) is not null && wanted(last),
            () => $"{typeof(T).Name} {name} should {what}, but is {(last is null ? "missing" : KubernetesJson.Serialize(last))}",
            seconds);
        return last!;
    }

    public Task GoneAsync<T>(string name, int seconds = 20)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        Eventually.TrueAsync(() => Api.Get<T>("default", name) is null, () => $"{typeof(T).Name} {name} should be gone", seconds);

    public Task<V1Pod> ReadyAsync(string pod) =>
        UntilAsync<V1Pod>(pod, p => p.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true, "be ready");

    public async Task<IReadOnlyList<string>> LogAsync(string pod, string container = "main", Func<PodLogRequest, PodLogRequest>? change = null)
    {
        var request = new PodLogRequest("default", pod, container);
        var lines = new List<string>();
        await foreach (PodLogLine line in Logs.ReadAsync(change?.Invoke(request) ?? request, TestContext.Current.CancellationToken))
        {
            lines.Add(line.Text);
        }

        return lines;
    }

    public void Patch<T>(string name, Action<JsonObject> change)
        where T : IKubernetesObject<V1ObjectMeta> => Api.Modify<T>("default", name, change);

    /// <summary>Ends this host as a crash would: its pods run on.</summary>
    public async Task CrashAsync()
    {
        _host.Services.GetRequiredService<NodeOptions>().StopPodsOnShutdown = false;
        await _host.StopAsync();
        _host.Dispose();
    }

    /// <summary>Ends this host and its pods.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (V1Pod pod in Api.List<V1Pod>())
        {
            Api.Delete(pod, new DeleteRequest { GracePeriodSeconds = 0 });
        }

        _host.Services.GetRequiredService<NodeOptions>().StopPodsOnShutdown = true;
        await _host.StopAsync();
        _host.Dispose();
        if (_ownsFolder)
        {
            Directory.Delete(Folder, recursive: true);
        }
    }
}
