using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Node.Pods;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Node;

/// <summary>Runs the pods that are bound to this node, each by a worker of its own, and adopts the ones an earlier run has left.</summary>
internal sealed class NodeAgent(IClusterApi api, PodHost host, ILogger<NodeAgent> logger) : BackgroundService
{
    private readonly ConcurrentDictionary<string, PodWorker> _workers = new();
    private readonly ConcurrentDictionary<string, Task> _running = new();
    private readonly CancellationTokenSource _leave = new();

    /// <summary>The worker of a pod by name: of the youngest when an older one of that name still stops.</summary>
    public PodWorker? Find(string ns, string name) =>
        _workers.Values.Where(w => w.Record.Namespace == ns && w.Record.Name == name).MaxBy(w => w.Record.StartTime);

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        if (host.Options.StopPodsOnShutdown)
        {
            foreach (PodWorker worker in _workers.Values)
            {
                worker.Drain();
            }

            while (_workers.Values.Any(w => w.AnyRunning) && !cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(host.Options.PollInterval, host.Time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        await _leave.CancelAsync();
        await Task.WhenAll(_running.Values);
        _leave.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Adopt();
        ResourceType pods = api.FindType("", "pods") ?? throw new InvalidOperationException("the API server does not serve pods");
        var watch = new ObjectWatch(api, pods, host.Time, logger);
        return Task.Run(() => watch.RunAsync(OnChange, ForgetUnlisted, stoppingToken), stoppingToken);
    }

    private void Adopt()
    {
        Directory.CreateDirectory(host.PodsFolder);
        foreach (string path in Directory.GetDirectories(host.PodsFolder))
        {
            var folder = new PodFolder(path);
            try
            {
                if (folder.Load() is { } record)
                {
                    host.Addresses.Reserve(record.Ip);
                    Log.PodAdopted(logger, record.Namespace, record.Name);
                    Run(new PodWorker(host, folder, record, fresh: false));
                }
            }
            catch (JsonException damaged)
            {
                // Nothing tells which processes were its own; the folder stays for a person to look at.
                Log.FolderUnreadable(logger, path, damaged);
            }
        }
    }

    private void OnChange(ChangeKind kind, JsonObject item)
    {
        V1Pod pod = TypedApi.Parse<V1Pod>(item);
        if (pod.Spec?.NodeName != host.Options.Name)
        {
            return;
        }

        if (_workers.TryGetValue(pod.Metadata.Uid, out PodWorker? worker))
        {
            if (kind == ChangeKind.Deleted)
            {
                worker.Remove();
            }
            else
            {
                worker.Update(pod);
            }
        }
        else if (kind == ChangeKind.Changed)
        {
            worker = new PodWorker(host, new PodFolder(Path.Combine(host.PodsFolder, pod.Metadata.Uid)), NewRecord(pod), fresh: true);
            worker.Update(pod);
            Run(worker);
        }
    }

    private PodRecord NewRecord(V1Pod pod) => new()
    {
        Uid = pod.Metadata.Uid,
        Namespace = pod.Metadata.NamespaceProperty,
        Name = pod.Metadata.Name,
        Ip = host.Addresses.Take(),
        StartTime = host.Time.GetUtcNow(),
    };

    // After a complete list, a folder without its pod is left over from a pod that was deleted while no node ran.
    private void ForgetUnlisted()
    {
        foreach (PodWorker worker in _workers.Values.Where(w => !w.HasPod))
        {
            worker.Remove();
        }
    }

    private void Run(PodWorker worker)
    {
        string uid = worker.Record.Uid;
        _workers[uid] = worker;
        _running[uid] = Task.Run(async () =>
        {
            using (worker)
            {
                await worker.RunAsync(_leave.Token);
            }

            _workers.TryRemove(uid, out _);
            _running.TryRemove(uid, out _);
        });
    }
}
