using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Tests.Kube;

/// <summary>What was called, in order, and what is to be answered.</summary>
internal sealed class Recorder
{
    private readonly ConcurrentQueue<string> _calls = new();
    private readonly ConcurrentDictionary<string, int> _running = new();
    private readonly ConcurrentDictionary<string, int> _most = new();

    public Func<V1ConfigMap, int, ReconciliationResult<V1ConfigMap>> Script { get; set; } =
        (config, _) => ReconciliationResult<V1ConfigMap>.Success(config);

    public Func<V1ConfigMap, ReconciliationResult<V1ConfigMap>> Final { get; set; } = config => ReconciliationResult<V1ConfigMap>.Success(config);

    public Func<V1ConfigMap, JsonObject?> Prepare { get; set; } = _ => null;

    public Func<V1ConfigMap, Task> Gate { get; set; } = _ => Task.CompletedTask;

    public int Count(string call) => _calls.Count(c => c == call);

    public int MostAtOnce(string name) => _most[name];

    public void Add(string call) => _calls.Enqueue(call);

    public async Task<ReconciliationResult<V1ConfigMap>> RunAsync(V1ConfigMap config)
    {
        string name = config.Metadata.Name;
        int now = _running.AddOrUpdate(name, 1, (_, n) => n + 1);
        _most.AddOrUpdate(name, now, (_, most) => Math.Max(most, now));
        Add($"reconcile {name}");
        int call = Count($"reconcile {name}");
        await Gate(config);
        _running.AddOrUpdate(name, 0, (_, n) => n - 1);
        return Script(config, call);
    }
}

internal sealed class ConfigController(Recorder recorder) : IEntityController<V1ConfigMap>
{
    public Task<ReconciliationResult<V1ConfigMap>> ReconcileAsync(V1ConfigMap entity, CancellationToken cancellationToken) => recorder.RunAsync(entity);

    public JsonObject? Prepare(V1ConfigMap entity) => recorder.Prepare(entity);

    public Task<ReconciliationResult<V1ConfigMap>> DeletedAsync(V1ConfigMap entity, CancellationToken cancellationToken)
    {
        recorder.Add($"deleted {entity.Metadata.Name} {entity.Metadata.Labels["v"]}");
        return Task.FromResult(ReconciliationResult<V1ConfigMap>.Success(entity));
    }
}

internal sealed class ConfigFinalizer(Recorder recorder) : IEntityFinalizer<V1ConfigMap>
{
    public Task<ReconciliationResult<V1ConfigMap>> FinalizeAsync(V1ConfigMap entity, CancellationToken cancellationToken)
    {
        ReconciliationResult<V1ConfigMap> result = recorder.Final(entity);
        recorder.Add($"finalize {entity.Metadata.Name}");
        return Task.FromResult(result);
    }
}

internal sealed class DeploymentController(Recorder recorder, IKubernetesClient client, TimeSpan again) : IEntityController<V1Deployment>
{
    public async Task<ReconciliationResult<V1Deployment>> ReconcileAsync(V1Deployment entity, CancellationToken cancellationToken)
    {
        recorder.Add($"reconcile {entity.Metadata.Name}");
        entity.Status = new V1DeploymentStatus { Replicas = 1 };
        return ReconciliationResult<V1Deployment>.Success(await client.ApplyStatusAsync(entity, cancellationToken: cancellationToken), again);
    }

    public Task<ReconciliationResult<V1Deployment>> DeletedAsync(V1Deployment entity, CancellationToken cancellationToken) =>
        Task.FromResult(ReconciliationResult<V1Deployment>.Success(entity));
}
