using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using AiFabric.Crds.Abstractions;
using AiFabric.Kube;
using AiFabric.Operator.Objects;
using k8s;
using k8s.Models;

namespace AiFabric.Operator.Conditions;

/// <summary>Writes a status when it differs from what stands there, and tells of the conditions that changed.</summary>
internal sealed class StatusWriter(IKubernetesClient client, IEventRecorder events, OperatorMetrics metrics)
{
    private readonly ConcurrentDictionary<string, Written> _written = new();

    /// <summary>
    /// Gives <paramref name="entity"/> the status that was last written, when the cache does not show it yet: a decision on an older
    /// status would count a failure twice or move a transition's time.
    /// </summary>
    public void Freshen<TSpec, TStatus>(CustomKubernetesEntity<TSpec, TStatus> entity)
        where TSpec : new()
        where TStatus : class, new()
    {
        if (_written.TryGetValue(entity.Metadata.Uid ?? string.Empty, out Written? written) && Version(entity) is { } cached && cached < written.Version)
            entity.Status = KubernetesJson.Deserialize<TStatus>(written.Status);
    }

    /// <summary>Writes <paramref name="status"/> if it says anything new.</summary>
    /// <param name="entity">The object as observed; its status is set to <paramref name="status"/>.</param>
    /// <param name="status">What was observed.</param>
    /// <param name="conditions">Finds the conditions in a status.</param>
    /// <param name="failureTypes">Condition types whose True is bad news.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public async Task WriteAsync<TEntity, TSpec, TStatus>(
        TEntity entity, TStatus status, Func<TStatus, IEnumerable<V1Condition>?> conditions, string[] failureTypes,
        CancellationToken cancellationToken)
        where TEntity : CustomKubernetesEntity<TSpec, TStatus>
        where TSpec : new()
        where TStatus : class, new()
    {
        TStatus before = entity.Status ?? new TStatus();
        if (Text(before) == Text(status))
            return;
        entity.Status = status;
        TEntity applied = await client.ApplyStatusAsync(entity, cancellationToken: cancellationToken);
        metrics.StatusWrites.WithLabels(entity.Kind).Inc();
        if (Version(applied) is { } version && entity.Metadata.Uid is { } uid)
            _written[uid] = new Written(version, KubernetesJson.Serialize(status));
        foreach (Transition transition in Transitions.Between(conditions(before), conditions(status), failureTypes))
            await events.RecordAsync(entity, transition.Type, transition.Reason, transition.Message, cancellationToken);
    }

    /// <summary>Forgets an object that is gone.</summary>
    public void Forget(IKubernetesObject<V1ObjectMeta> entity) => _written.TryRemove(entity.Metadata.Uid ?? string.Empty, out _);

    private static string? Text<TStatus>(TStatus status) => CanonicalJson.Sort(JsonNode.Parse(KubernetesJson.Serialize(status)))?.ToJsonString();

    private static ulong? Version(IKubernetesObject<V1ObjectMeta> entity) =>
        ulong.TryParse(entity.Metadata.ResourceVersion, NumberStyles.None, CultureInfo.InvariantCulture, out ulong version) ? version : null;

    private sealed record Written(ulong Version, string Status);
}
