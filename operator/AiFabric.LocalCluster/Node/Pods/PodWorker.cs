using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Node.Logs;
using AiFabric.LocalCluster.Node.Probes;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>
/// One pod's life on the node: a loop of (1) observe processes and probes, (2) plan, (3) act, (4) publish the status. Only the loop touches
/// the record; others hand in a new version of the pod and wake it.
/// </summary>
internal sealed class PodWorker(PodHost host, PodFolder folder, PodRecord first, bool fresh) : IDisposable
{
    private readonly ConcurrentQueue<ProbeOutcome> _outcomes = new(); // bounded: three probes per container, one of each in flight
    private readonly Dictionary<string, ContainerProbes> _probes = [];
    private readonly Dictionary<string, LogStore> _logs = [];
    private readonly ContainerRuns _runs = new(host, folder);
    private readonly CancellationTokenSource _stop = new();
    private TaskCompletionSource _wake = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile PodRecord _record = first;
    private volatile V1Pod? _pod;
    private volatile bool _gone;
    private volatile bool _draining;
    private V1PodStatus? _published;
    private (PodRecord Record, V1Pod Pod, string Verdicts)? _seen;
    private bool _confirmed;

    /// <summary>What the node knows of the pod; a snapshot.</summary>
    public PodRecord Record => _record;

    public PodFolder Folder => folder;

    public bool HasPod => _pod is not null;

    public bool AnyRunning => _record.Containers.Values.Any(c => c.Running);

    public void Update(V1Pod pod)
    {
        _pod = pod;
        Wake();
    }

    /// <summary>The pod's object is gone: end its processes at once and forget it.</summary>
    public void Remove()
    {
        _gone = true;
        Wake();
    }

    /// <summary>Stop the containers and start none.</summary>
    public void Drain()
    {
        _draining = true;
        Wake();
    }

    /// <summary>Ends when the pod has gone and nothing of it is left, or on cancellation, which leaves its processes alone.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            Task woken = Volatile.Read(ref _wake).Task;
            try
            {
                if (Step())
                {
                    return;
                }
            }
            catch (ApiException moved) when (moved.Code is 404 or 409)
            {
                // The pod was changed or deleted while we looked at an older version; the watch brings the new one.
            }
#pragma warning disable CA1031 // loop top: one bad pod must not stop the node
            catch (Exception failure)
#pragma warning restore CA1031
            {
                Log.PodFailed(host.Logger, _record.Namespace, _record.Name, failure);
            }

            await Task.WhenAny(woken, Task.Delay(host.Options.PollInterval, host.Time, cancellationToken));
        }
    }

    public void Dispose() => _stop.Dispose();

    private void Wake() =>
        Interlocked.Exchange(ref _wake, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    private bool Step()
    {
        DateTimeOffset now = host.Time.GetUtcNow();
        Observe(now);
        if (_gone)
        {
            return CleanUp();
        }

        if (_pod is not { } pod)
        {
            return false; // adopted, and the list of pods is still on its way
        }

        // A pod that ended in an earlier life of this node, whose folder is lost: only its deletion is left to do.
        bool over = fresh && pod.Status?.Phase is "Succeeded" or "Failed" && _published is null;
        if (!over)
        {
            Publish(pod, now); // the pod's address must be known before its containers start
        }

        foreach (PodAction action in PodPlanner.Plan(pod, _record, ProbesOf, host.Backoff, _draining || over, now))
        {
            Act(pod, action, now);
        }

        if (!over && !_confirmed)
        {
            Publish(pod, now);
            StartProbes(pod, now);
        }

        return false;
    }

    private bool CleanUp()
    {
        foreach (ContainerRecord container in _record.Containers.Values.Where(c => c.Running))
        {
            ContainerRuns.Handle(container)?.Kill();
        }

        if (AnyRunning)
        {
            return false;
        }

        _stop.Cancel();
        folder.Delete();
        host.Addresses.Release(_record.Ip);
        return true;
    }

    private void Observe(DateTimeOffset now)
    {
        while (_outcomes.TryDequeue(out ProbeOutcome? outcome))
        {
            if (_record.Container(outcome.Container) is { Running: true } container && container.Starts == outcome.Run)
            {
                _probes[outcome.Container].Observe(outcome.Kind, outcome.Failure is null, outcome.Failure, now);
            }
        }

        foreach (ContainerRecord container in _record.Containers.Values.Where(c => c.Starts > 0))
        {
            bool watched = _logs.TryGetValue(container.Name, out LogStore? log);
            if (!watched)
            {
                _logs[container.Name] = log = new LogStore(folder.Run(container.Name, container.Starts), host.Options.MaxLogBytes);
            }

            if (container.Running || !watched)
            {
                ContainerRecord after = _runs.Observe(_record, container, now);
                log!.Observe(now); // set just above when it was missing
                Keep(after, container);
            }
        }
    }

    private void Keep(ContainerRecord after, ContainerRecord before)
    {
        if (after != before)
        {
            _record = _record.With(after);
            folder.Save(_record);
        }
    }

    private void Act(V1Pod pod, PodAction action, DateTimeOffset now)
    {
        switch (action)
        {
            case PodAction.Start start:
                ContainerRecord waiting = _record.Container(start.Container);
                _logs.Remove(start.Container);
                _probes.Remove(start.Container);
                Keep(_runs.Start(pod, _record, waiting, now, started =>
                {
                    _record = _record.With(started);
                    folder.Save(_record);
                }), waiting);
                break;
            case PodAction.Stop stop:
                ContainerRecord running = _record.Container(stop.Container);
                Keep(_runs.Stop(pod, running, stop, now, _stop.Token), running);
                break;
            case PodAction.Kill kill:
                ContainerRuns.Handle(_record.Container(kill.Container))?.Kill();
                break;
            case PodAction.GiveUp giveUp:
                _record = _record with { FailedReason = giveUp.Reason, FailedMessage = giveUp.Message };
                folder.Save(_record);
                host.Events.Warning(pod, giveUp.Reason, giveUp.Message);
                break;
            case PodAction.ConfirmDeletion when !_confirmed:
                host.Api.Delete(pod, new DeleteRequest { GracePeriodSeconds = 0, Uid = pod.Metadata.Uid });
                _confirmed = true; // finalizers of others may keep the object for a while
                break;
        }
    }

    private ProbeVerdict ProbesOf(string container)
    {
        ContainerRecord known = _record.Container(container);
        return known.Running ? Probes(known).Verdict : new ProbeVerdict(false, false, null);
    }

    private ContainerProbes Probes(ContainerRecord known)
    {
        if (!_probes.TryGetValue(known.Name, out ContainerProbes? probes))
        {
            V1Pod pod = _pod!; // only reached with a pod
            V1ContainerStatus? before = fresh ? null : pod.Status?.ContainerStatuses?.FirstOrDefault(s => s.Name == known.Name && s.State?.Running is not null && s.RestartCount == known.Starts - 1);
            V1Container spec = ContainerRuns.Find(pod, known.Name);
            _probes[known.Name] = probes = new ContainerProbes(spec, known.StartedAt ?? host.Time.GetUtcNow(), before?.Started == true, before?.Ready == true);
        }

        return probes;
    }

    private void StartProbes(V1Pod pod, DateTimeOffset now)
    {
        foreach (ContainerRecord known in _record.Containers.Values.Where(c => c is { Running: true, StopReason: null, Process: not null }))
        {
            V1Container spec = ContainerRuns.Find(pod, known.Name);
            var target = new ProbeTarget(_record.Ip, spec, ContainerRuns.Handle(known)!); // it has a process
            foreach ((ProbeKind kind, V1Probe probe) in Probes(known).TakeDue(now))
            {
                _ = Task.Run(() => ProbeAsync(pod, known, kind, probe, target));
            }
        }
    }

    private async Task ProbeAsync(V1Pod pod, ContainerRecord container, ProbeKind kind, V1Probe probe, ProbeTarget target)
    {
        try
        {
            string? failure = await host.Probes.RunAsync(probe, target, _stop.Token);
            _outcomes.Enqueue(new ProbeOutcome(container.Name, container.Starts, kind, failure));
            if (failure is not null)
            {
                host.Events.Warning(pod, "Unhealthy", $"{kind} probe failed: {failure}", container.Name);
            }

            Wake();
        }
        catch (OperationCanceledException)
        {
            // The pod is gone.
        }
    }

    private void Publish(V1Pod pod, DateTimeOffset now)
    {
        // Most of the time nothing has happened since the last look; only a back-off ends by itself.
        (PodRecord, V1Pod, string) seen = (_record, pod, string.Join(';', pod.Spec.Containers.Select(c => ProbesOf(c.Name))));
        if (_seen == seen && _record.Containers.Values.All(c => c.Running || c.Ended is not null && !PodPlanner.Restarts(pod, c.Ended)))
        {
            return;
        }

        // Our own last word counts, not the watch's version, which may be older; else transition times would jump. Others' conditions, such
        // as readiness gates, are theirs to tell.
        pod.Status = _published is null ? pod.Status : PodStatus.WithOthers(_published, pod.Status);
        V1PodStatus status = PodStatus.Of(pod, _record, ProbesOf, host.Backoff, now);
        JsonObject wanted = TypedApi.ToJson(status);
        if (_published is not null && JsonNode.DeepEquals(TypedApi.ToJson(_published), wanted))
        {
            _seen = seen;
            return;
        }

        host.Api.Modify<V1Pod>(_record.Namespace, _record.Name, item =>
        {
            JsonNode merged = PodStatus.WithOthers(wanted, item["status"]);
            if (item["metadata"]?["uid"]?.GetValue<string>() == _record.Uid && !JsonNode.DeepEquals(item["status"], merged))
            {
                item["status"] = merged;
            }
        }, "status");
        _published = status;
        _seen = seen;
    }

    private sealed record ProbeOutcome(string Container, int Run, ProbeKind Kind, string? Failure);
}
