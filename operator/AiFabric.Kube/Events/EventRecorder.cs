using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging;

namespace AiFabric.Kube;

/// <summary><see cref="IEventRecorder"/> by core/v1 events, which every server version and <c>kubectl describe</c> understand.</summary>
public sealed class EventRecorder : IEventRecorder
{
    private const int MaxMessageBytes = 1024; // The API's own bound on Event.message.
    private const int MaxRemembered = 4096;

    private readonly IKubernetesClient _client;
    private readonly string _component;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly Dictionary<Said, Written> _written = [];
    private long _sequence;

    /// <param name="client">The API server.</param>
    /// <param name="component">Who reports.</param>
    /// <param name="time">The clock of first and last time.</param>
    /// <param name="logger">Told of events that are lost.</param>
    public EventRecorder(IKubernetesClient client, string component, TimeProvider time, ILogger<EventRecorder> logger)
    {
        _client = client;
        _component = component;
        _time = time;
        _logger = logger;
    }

    /// <inheritdoc/>
    public async Task RecordAsync(
        IKubernetesObject<V1ObjectMeta> about, EventType type, string reason, string message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(about);
        ArgumentException.ThrowIfNullOrEmpty(reason);
        var said = new Said(about.Metadata.Uid ?? NamespacedName.Of(about).ToString(), type, reason, Cut(message));
        try
        {
            if (Repeat(said) is { } again && await TryCountAsync(again, cancellationToken))
                return;
            await CreateAsync(about, said, cancellationToken);
        }
        catch (Exception e) when (e is KubernetesApiException or HttpRequestException or IOException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Log.EventLost(_logger, e, reason, NamespacedName.Of(about));
        }
    }

    private static string Cut(string message)
    {
        if (Encoding.UTF8.GetByteCount(message) <= MaxMessageBytes)
            return message;
        var kept = new StringBuilder();
        int bytes = "…".Length * 3;
        foreach (Rune rune in message.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > MaxMessageBytes)
                break;
            kept.Append(rune);
        }
        return kept.Append('…').ToString();
    }

    private Written? Repeat(Said said)
    {
        lock (_lock)
        {
            if (!_written.TryGetValue(said, out Written? written))
                return null;
            return _written[said] = written with { Count = written.Count + 1 };
        }
    }

    /// <returns>False when the first event is gone (they live an hour), so that a new one is due.</returns>
    private async Task<bool> TryCountAsync(Written written, CancellationToken cancellationToken)
    {
        var patch = new JsonObject
        {
            ["count"] = written.Count,
            ["lastTimestamp"] = _time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        };
        try
        {
            await _client.PatchAsync<Corev1Event>(written.Key.Name, written.Key.Namespace, patch, cancellationToken);
            return true;
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            return false;
        }
    }

    private async Task CreateAsync(IKubernetesObject<V1ObjectMeta> about, Said said, CancellationToken cancellationToken)
    {
        DateTime now = _time.GetUtcNow().UtcDateTime;
        long unique = now.Ticks + Interlocked.Increment(ref _sequence);
        // Events about cluster-scoped objects live in the default namespace, by the API's own rule.
        var key = new NamespacedName(
            about.Metadata.NamespaceProperty ?? "default", string.Create(CultureInfo.InvariantCulture, $"{about.Metadata.Name}.{unique:x}"));
        await _client.CreateAsync(
            new Corev1Event
            {
                Metadata = new V1ObjectMeta { Name = key.Name, NamespaceProperty = key.Namespace },
                InvolvedObject = new V1ObjectReference
                {
                    ApiVersion = about.ApiVersion,
                    Kind = about.Kind,
                    Name = about.Metadata.Name,
                    NamespaceProperty = about.Metadata.NamespaceProperty,
                    Uid = about.Metadata.Uid,
                    ResourceVersion = about.Metadata.ResourceVersion,
                },
                Type = said.Type.ToString(),
                Reason = said.Reason,
                Message = said.Message,
                Count = 1,
                FirstTimestamp = now,
                LastTimestamp = now,
                Source = new V1EventSource { Component = _component },
                ReportingComponent = _component,
                ReportingInstance = Environment.MachineName,
            },
            cancellationToken);
        lock (_lock)
        {
            // Forgetting costs only a repeated event, so the bound may be crude.
            if (_written.Count >= MaxRemembered)
                _written.Clear();
            _written[said] = new Written(key, 1);
        }
    }

    private readonly record struct Said(string Uid, EventType Type, string Reason, string Message);

    private sealed record Written(NamespacedName Key, int Count);
}
