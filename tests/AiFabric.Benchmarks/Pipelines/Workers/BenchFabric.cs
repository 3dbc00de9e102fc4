using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AiFabric.Benchmarks.Machine;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Kube;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace AiFabric.Benchmarks.Pipelines.Workers;

/// <summary>The local fabric as <c>aifabric up</c> starts it: API server, operator, gateway and a node that runs pods as processes. Ends with this.</summary>
internal sealed class BenchFabric : IAsyncDisposable
{
    public const string Space = "default";

    private static readonly TimeSpan ReadyLimit = TimeSpan.FromMinutes(2);

    private readonly string _repository;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-bench-");
    private KubernetesClient? _client;

    private BenchFabric(string repository)
    {
        _repository = repository;
        Gateway = new Uri($"http://127.0.0.1:{FreePort()}");
    }

    public Uri Gateway { get; }

    public IKubernetesClient Client => _client!; // Set when it is started.

    private string Data => Path.Combine(_folder.FullName, "fabric");

    /// <exception cref="BenchException">It could not be started.</exception>
    public static async Task<BenchFabric> StartAsync(string repository, CancellationToken cancellationToken)
    {
        var fabric = new BenchFabric(repository);
        try
        {
            await fabric.CliAsync(["up", "--data-dir", fabric.Data, "--port", Text(FreePort()), "--gateway-port", Text(fabric.Gateway.Port)], cancellationToken);
            fabric._client = new KubernetesClient(
                KubeConfig.FromFile(Path.Combine(fabric.Data, "kubeconfig")), new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance);
            return fabric;
        }
        catch
        {
            await fabric.DisposeAsync();
            throw;
        }
    }

    /// <summary>Serves the demo model, a thread for each worker, and waits until all are routed to.</summary>
    public async Task ServeDemoAsync(int workers, CancellationToken cancellationToken)
    {
        await Client.CreateAsync(
            new CoServedModel
            {
                Metadata = new V1ObjectMeta { Name = "demo", NamespaceProperty = Space },
                Spec = new CoServedModelSpec
                {
                    Model = new ModelSource { Uri = "file://" + Path.Combine(_repository, "runtime", "models", "aifabric-demo-5m") },
                    Replicas = workers,
                    Template = new V1PodTemplateSpec
                    {
                        Spec = new V1PodSpec { Containers = [new V1Container { Name = "worker", Env = [new V1EnvVar { Name = "AIFABRIC_THREADS", Value = "1" }] }] },
                    },
                },
            },
            cancellationToken);
        await ReadyAsync<CoServedModel>("demo", model => model.Status?.Conditions, cancellationToken);
    }

    /// <summary>Declares a pipeline and waits until it is served.</summary>
    public async Task DeclareAsync(Pipeline pipeline, CancellationToken cancellationToken)
    {
        await Client.CreateAsync(pipeline, cancellationToken);
        await ReadyAsync<Pipeline>(pipeline.Metadata.Name, made => made.Status?.Conditions, cancellationToken);
    }

    /// <summary>Where the workers of the demo model serve.</summary>
    public async Task<IReadOnlyList<Uri>> WorkersAsync(CancellationToken cancellationToken) =>
    [
        .. (await Client.ListAsync<V1Pod>(Space, "aifabric.io/model=demo", cancellationToken: cancellationToken))
            .Select(pod => new Uri($"http://{pod.Status.PodIP}:{pod.Spec.Containers[0].Ports.First(port => port.Name == Crds.Common.Ports.Serving).ContainerPort}")),
    ];

    public async ValueTask DisposeAsync()
    {
        if (Directory.Exists(Data))
            await CliAsync(["down", "--purge", "--data-dir", Data], CancellationToken.None);
        _client?.Dispose();
        _folder.Delete(recursive: true);
    }

    private async Task ReadyAsync<T>(string name, Func<T, IEnumerable<V1Condition>?> conditions, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(ReadyLimit);
        V1Condition? ready = null;
        try
        {
            while (ready is not { Status: "True" })
            {
                await Task.Delay(100, limit.Token);
                ready = await Client.GetAsync<T>(name, Space, limit.Token) is { } found ? conditions(found)?.FirstOrDefault(condition => condition.Type == "Ready") : null;
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new BenchException($"{typeof(T).Name} {name} was not ready after {ReadyLimit.TotalMinutes} minutes: {ready?.Reason}: {ready?.Message}");
        }
    }

    private Task<string> CliAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        Shell.RunAsync(Repository.Executable(_repository, "AiFabric.Cli", "aifabric"), arguments, _repository, new Dictionary<string, string>(), cancellationToken);

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port; // It is bound.
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
