using System.Collections.Concurrent;
using System.Threading.Channels;
using AiFabric.Crds.Common;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiFabric.Benchmarks.Scale.Actors;

/// <summary>
/// Plays scheduler and kubelet: marks worker pods as running and, when their model would be loaded, as ready, and gives each an address of its
/// own. No container is started and no node exists.
/// </summary>
internal sealed class ActorKubelet : IAsyncDisposable
{
    private const int MaxPods = 60_000; // What one /16 holds; also the bound of the queue.

    private readonly IKubernetesClient _client;
    private readonly ScaleOptions _options;
    private readonly Informer<V1Pod> _pods;
    private readonly Channel<V1Pod> _started = Channel.CreateBounded<V1Pod>(MaxPods);
    private readonly ConcurrentDictionary<string, ActorPod?> _seen = new();
    private readonly ConcurrentDictionary<string, ActorPod> _byIp = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loops;
    private int _lastAddress;
    private int _version;

    /// <param name="client">The API server, as a user of the test's own.</param>
    /// <param name="options">Times and addresses.</param>
    public ActorKubelet(IKubernetesClient client, ScaleOptions options)
    {
        _client = client;
        _options = options;
        _pods = new Informer<V1Pod>(
            client, new InformerScope(ScaleOptions.Space, Labels.Model), new InformerOptions(), TimeProvider.System, NullLogger<Informer<V1Pod>>.Instance);
        _pods.Subscribe(OnChange);
        _loops = Task.WhenAll([_pods.RunAsync(_stop.Token), .. Enumerable.Range(0, options.Parallelism).Select(_ => WorkAsync())]);
    }

    /// <summary>Changes whenever the set of ready pods does.</summary>
    public int Version => Volatile.Read(ref _version);

    /// <summary>Writes that failed; the run's figures are worth nothing then.</summary>
    public ConcurrentQueue<string> Errors { get; } = new();

    /// <summary>The pods that are ready.</summary>
    public IEnumerable<ActorPod> Ready => _byIp.Values;

    public static string Address(int network, int index) =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"127.{network}.{index / 250}.{(index % 250) + 1}");

    public ActorPod? At(string ip) => _byIp.GetValueOrDefault(ip);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _started.Writer.TryComplete();
        await _loops;
        _stop.Dispose();
    }

    private void OnChange(StoreChange<V1Pod> change)
    {
        V1Pod pod = change.Object;
        if (change.Kind == StoreChangeKind.Deleted)
            Forget(pod.Metadata.Uid);
        else if (pod.Metadata.DeletionTimestamp is not null || _seen.TryAdd(pod.Metadata.Uid, null) || IsDue(pod))
            _started.Writer.TryWrite(pod.DeepCopy());
    }

    /// <summary>Whether the pod's readiness gates hold by now, so that it is to be marked Ready.</summary>
    private static bool IsDue(V1Pod pod) => PodReadiness.Holds(pod, "ContainersReady") && !PodReadiness.Holds(pod, "Ready") && GatesHold(pod);

    private static bool GatesHold(V1Pod pod) => (pod.Spec.ReadinessGates ?? []).All(gate => PodReadiness.Holds(pod, gate.ConditionType));

    private void Forget(string uid)
    {
        if (_seen.TryRemove(uid, out ActorPod? gone) && gone is not null && _byIp.TryRemove(gone.Ip, out _))
            Interlocked.Increment(ref _version);
    }

    private async Task WorkAsync()
    {
        try
        {
            await foreach (V1Pod pod in _started.Reader.ReadAllAsync(_stop.Token))
            {
                if (pod.Metadata.DeletionTimestamp is not null)
                    await TryAsync(() => EndAsync(pod));
                else if (string.IsNullOrEmpty(pod.Status?.PodIP))
                    await TryAsync(() => StartAsync(pod));
                else
                    await TryAsync(() => ReportAsync(pod, pod.Status.PodIP, isReady: true));
            }
        }
        catch (OperationCanceledException)
        {
            // The run is over.
        }
    }

    private async Task StartAsync(V1Pod pod)
    {
        string ip = Address(_options.Network, Interlocked.Increment(ref _lastAddress) - 1);
        V1Pod running = await ReportAsync(pod, ip, isReady: false);
        // The wait is its own task: a pod that loads must not hold up the start of the next.
        _ = TryAsync(async () =>
        {
            await Task.Delay(_options.LoadTime, _stop.Token);
            var actor = new ActorPod(running, ip, _options.TrainTime, TimeProvider.System);
            _seen[running.Metadata.Uid] = _byIp[ip] = actor;
            await ReportAsync(running, ip, isReady: true);
            Interlocked.Increment(ref _version);
        });
    }

    private async Task EndAsync(V1Pod pod)
    {
        Forget(pod.Metadata.Uid);
        await _client.DeleteAsync<V1Pod>(
            pod.Metadata.Name, pod.Metadata.NamespaceProperty, new DeleteQuery { Uid = pod.Metadata.Uid, GracePeriodSeconds = 0 }, _stop.Token);
    }

    // As a kubelet's patch, an apply leaves conditions alone that others own: the readiness gate is the operator's.
    private Task<V1Pod> ReportAsync(V1Pod pod, string ip, bool isReady) => _client.ApplyStatusAsync(
        new V1Pod
        {
            Metadata = new V1ObjectMeta { Name = pod.Metadata.Name, NamespaceProperty = pod.Metadata.NamespaceProperty },
            Status = Status(pod, ip, isReady),
        },
        "acting-kubelet", cancellationToken: _stop.Token);

    private static V1PodStatus Status(V1Pod pod, string ip, bool isReady)
    {
        DateTime now = TimeProvider.System.GetUtcNow().UtcDateTime;
        V1PodCondition Condition(string type, bool holds, string? reason = null) =>
            new() { Type = type, Status = holds ? "True" : "False", Reason = reason, LastTransitionTime = now };
        bool isPodReady = isReady && GatesHold(pod);
        return new V1PodStatus
        {
            Phase = "Running",
            HostIP = "127.0.0.1",
            PodIP = ip,
            PodIPs = [new V1PodIP { Ip = ip }],
            StartTime = now,
            Conditions =
            [
                Condition("PodScheduled", true), Condition("Initialized", true), Condition("ContainersReady", isReady),
                Condition("Ready", isPodReady, isReady && !isPodReady ? "ReadinessGatesNotReady" : null),
            ],
            ContainerStatuses =
            [
                new V1ContainerStatus
                {
                    Name = "worker",
                    Image = pod.Spec.Containers[0].Image,
                    ImageID = "sha256:actor",
                    Ready = isReady,
                    Started = true,
                    RestartCount = 0,
                    State = new V1ContainerState { Running = new V1ContainerStateRunning { StartedAt = now } },
                },
            ],
        };
    }

    private async Task TryAsync(Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The run is over.
        }
        catch (Exception e) when (e is KubernetesApiException or HttpRequestException)
        {
            Errors.Enqueue(e.Message);
        }
    }
}
