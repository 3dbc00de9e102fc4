using System.Collections.Concurrent;
using AiFabric.Crds.Common;
using AiFabric.Protocol.Control;
using AiFabric.Protocol.Gateway;
using k8s.Models;

namespace AiFabric.Benchmarks.Scale.Actors;

/// <summary>A pod that exists in the API alone: what its worker would know and answer. No weights, no tokens.</summary>
internal sealed class ActorPod(V1Pod pod, string ip, TimeSpan trainTime, TimeProvider time)
{
    private const int TotalSteps = 20;

    private readonly ConcurrentDictionary<string, string> _adapters = new();
    private readonly ConcurrentDictionary<string, (TrainingRequest Request, long Started)> _sessions = new();

    public string Ip { get; } = ip;

    public string Uid { get; } = pod.Metadata.Uid;

    public RouteEntry Route() => new()
    {
        Namespace = pod.Metadata.NamespaceProperty,
        Pod = pod.Metadata.Name,
        PodUid = pod.Metadata.Uid,
        Model = pod.Metadata.Labels[Labels.Model],
        ServedName = pod.Metadata.Annotations[Annotations.ServedName],
        Revision = pod.Metadata.Labels[Labels.Revision],
        Adapters = [.. _adapters.Keys],
    };

    public LoadReport Load() => new()
    {
        Model = pod.Metadata.Annotations[Annotations.ServedName],
        ModelDigest = "sha256:" + new string('1', 64),
        Adapters = [.. _adapters.Keys],
        Training = [.. _sessions.Keys.Select(Training).OfType<TrainingStatus>()],
    };

    public AdapterList Adapters() => new() { Adapters = [.. _adapters.Select(entry => Status(entry.Key, entry.Value))] };

    public AdapterStatus PutAdapter(string name, AdapterRequest request) =>
        Status(name, _adapters[name] = request.Digest ?? "sha256:" + new string('2', 64));

    public void DeleteAdapter(string name) => _adapters.TryRemove(name, out _);

    public TrainingStatus? PutTraining(string uid, TrainingRequest request)
    {
        _sessions.AddOrUpdate(uid, (request, time.GetTimestamp()), (_, known) => (request, known.Started));
        return Training(uid);
    }

    public void DeleteTraining(string uid) => _sessions.TryRemove(uid, out _);

    /// <summary>A session runs by the clock: it succeeds when its time is over. Null when there is none.</summary>
    public TrainingStatus? Training(string uid)
    {
        if (!_sessions.TryGetValue(uid, out (TrainingRequest Request, long Started) session))
            return null;
        double share = Math.Min(1, time.GetElapsedTime(session.Started) / trainTime);
        int step = (int)(share * TotalSteps);
        bool isDone = share >= 1;
        return new TrainingStatus
        {
            Uid = uid,
            State = isDone ? TrainingState.Succeeded : TrainingState.Running,
            Step = step,
            TotalSteps = TotalSteps,
            Tokens = step * 1_024L,
            Loss = 3 - (0.1 * step),
            TokensPerSecond = 4_096,
            CheckpointStep = step / 10 * 10,
            AdapterUri = isDone ? session.Request.OutputUri : null,
            AdapterDigest = isDone ? "sha256:" + uid.Replace("-", string.Empty, StringComparison.Ordinal).PadRight(64, '0') : null,
        };
    }

    private static AdapterStatus Status(string name, string digest) => new() { Name = name, Digest = digest, Rank = 16 };
}
