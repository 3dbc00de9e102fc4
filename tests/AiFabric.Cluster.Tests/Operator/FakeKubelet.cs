using System.Text;
using AiFabric.Crds.Common;
using AiFabric.Kube;
using AiFabric.Protocol.Gateway;
using k8s.Models;

namespace AiFabric.Cluster.Tests.Operator;

/// <summary>A fake of the node: each worker pod gets a <see cref="FakeWorker"/> on a loopback address of its own and is reported ready.</summary>
internal sealed class FakeKubelet : IAsyncDisposable
{
    private static int _lastAddress;

    private readonly IKubernetesClient _client;
    private readonly string _space;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (V1Pod Pod, FakeWorker Worker)> _running = [];
    private readonly HashSet<string> _crashed = [];

    public FakeKubelet(IKubernetesClient client, string space)
    {
        (_client, _space) = (client, space);
        _loop = RunAsync();
    }

    public FakeDisk Disk { get; } = new();

    /// <summary>Whether new pods get ready; false: they end at once with <see cref="Failure"/>.</summary>
    public string? Failure { get; set; }

    public Exception? Error { get; private set; }

    public IReadOnlyList<FakeWorker> Workers
    {
        get
        {
            lock (_lock)
                return [.. _running.OrderBy(entry => entry.Value.Pod.Metadata.Name, StringComparer.Ordinal).Select(entry => entry.Value.Worker)];
        }
    }

    public FakeWorker Worker(string pod)
    {
        lock (_lock)
            return _running.Values.Single(entry => entry.Pod.Metadata.Name == pod).Worker;
    }

    public IReadOnlyList<RouteEntry> Routes()
    {
        lock (_lock)
        {
            return
            [
                .. _running.Values.Select(entry => new RouteEntry
                {
                    Namespace = entry.Pod.Metadata.NamespaceProperty,
                    Pod = entry.Pod.Metadata.Name,
                    PodUid = entry.Pod.Metadata.Uid,
                    Model = entry.Pod.Metadata.Labels[Labels.Model],
                    ServedName = entry.Pod.Metadata.Annotations[Annotations.ServedName],
                    Revision = entry.Pod.Metadata.Labels[Labels.Revision],
                    Adapters = [.. entry.Worker.Adapters.Keys],
                }),
            ];
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        foreach (FakeWorker worker in Workers)
            await worker.DisposeAsync();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await SyncAsync();
                await Task.Delay(30, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (e is KubernetesApiException or HttpRequestException)
            {
                Error = e; // A conflict or a server that is not up yet: the next round sees.
            }
        }
    }

    private async Task SyncAsync()
    {
        IReadOnlyList<V1Pod> pods = await _client.ListAsync<V1Pod>(_space, cancellationToken: _stop.Token);
        foreach (V1Pod pod in pods.Where(pod => pod.Metadata.Labels?.ContainsKey(Labels.Model) == true))
        {
            if (pod.Metadata.DeletionTimestamp is not null)
                await EndAsync(pod);
            else if (!_running.ContainsKey(pod.Metadata.Uid))
                await BeginAsync(pod);
            else
                await OpenGateAsync(pod);
        }
        foreach (string gone in _running.Keys.Except(pods.Select(pod => pod.Metadata.Uid)).ToArray())
            await ForgetAsync(gone);
    }

    private async Task BeginAsync(V1Pod pod)
    {
        if (Failure is { } failure)
        {
            if (_crashed.Add(pod.Metadata.Uid))
                await ReportAsync(pod, "127.0.0.1", new V1ContainerState { Terminated = new() { ExitCode = 2, Reason = "Error", Message = failure } }, ready: false);
            return;
        }
        V1SecretKeySelector source = pod.Spec.Containers.Single().Env.Single(variable => variable.Name == "AIFABRIC_CONTROL_TOKEN").ValueFrom.SecretKeyRef;
        V1Secret? secret = await _client.GetAsync<V1Secret>(source.Name, _space, _stop.Token);
        if (secret is null)
            return; // As a real kubelet: CreateContainerConfigError, and again.
        int number = Interlocked.Increment(ref _lastAddress);
        FakeWorker worker = await FakeWorker.StartAsync($"127.77.{number / 250}.{(number % 250) + 1}", Encoding.UTF8.GetString(secret.Data[source.Key]), Disk);
        lock (_lock)
            _running[pod.Metadata.Uid] = (pod, worker);
        await ReportAsync(pod, worker.Ip, new V1ContainerState { Running = new() }, ready: true);
    }

    private async Task EndAsync(V1Pod pod)
    {
        await ForgetAsync(pod.Metadata.Uid);
        await _client.DeleteAsync<V1Pod>(pod.Metadata.Name, _space, new DeleteQuery { GracePeriodSeconds = 0 }, _stop.Token);
    }

    private async Task ForgetAsync(string uid)
    {
        FakeWorker? worker;
        lock (_lock)
            worker = _running.Remove(uid, out (V1Pod Pod, FakeWorker Worker) entry) ? entry.Worker : null;
        if (worker is not null)
            await worker.DisposeAsync();
    }

    /// <summary>As a kubelet: the pod is Ready once its readiness gates hold too.</summary>
    private async Task OpenGateAsync(V1Pod pod)
    {
        if (PodReadiness.Holds(pod, PodConditions.Routable) && PodReadiness.Holds(pod, "ContainersReady") && !PodReadiness.Holds(pod, "Ready"))
            await ReportAsync(pod, pod.Status.PodIP, new V1ContainerState { Running = new() }, ready: true);
    }

    private static V1PodCondition Condition(string type, bool holds, string? reason = null) =>
        new() { Type = type, Status = holds ? "True" : "False", Reason = reason, LastTransitionTime = DateTime.UnixEpoch };

    private async Task ReportAsync(V1Pod pod, string ip, V1ContainerState state, bool ready)
    {
        for (V1Pod? current = pod; current is not null; current = await _client.GetAsync<V1Pod>(pod.Metadata.Name, _space, _stop.Token))
        {
            try
            {
                current.Status = Status(current, ip, state, ready);
                await _client.UpdateStatusAsync(current, _stop.Token);
                return;
            }
            catch (KubernetesApiException e) when (e.IsConflict)
            {
                Error = e; // A real scheduler writes to the status too, and the operator its readiness gate.
            }
        }
    }

    private static V1PodStatus Status(V1Pod pod, string ip, V1ContainerState state, bool ready)
    {
        bool waits = pod.Spec.ReadinessGates?.All(gate => PodReadiness.Holds(pod, gate.ConditionType)) == false;
        return new V1PodStatus
        {
            Phase = "Running",
            PodIP = ip,
            Conditions =
            [
                Condition("ContainersReady", ready),
                Condition("Ready", ready && !waits, ready && waits ? "ReadinessGatesNotReady" : null),
                .. (pod.Status?.Conditions ?? []).Where(condition => condition.Type == PodConditions.Routable),
            ],
            ContainerStatuses =
            [
                new V1ContainerStatus { Name = "worker", Image = "x", ImageID = "x", Ready = ready, RestartCount = 0, State = state },
            ],
        };
    }
}
