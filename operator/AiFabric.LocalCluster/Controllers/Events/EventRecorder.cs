using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;
using k8s;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Events;

/// <summary>
/// Writes the events that <c>kubectl describe</c> shows. A repeated event becomes one object with a count, because its name is a hash of
/// what it says; so the count goes on after a restart.
/// </summary>
internal sealed class EventRecorder(IClusterApi api, TimeProvider time, ILogger<EventRecorder> logger)
{
    private readonly TypedApi _api = new(api);
    private readonly Lock _lock = new();

    public void Normal<T>(T about, string reason, string message, string? container = null)
        where T : IKubernetesObject<V1ObjectMeta> => Record(about, "Normal", reason, message, container);

    public void Warning<T>(T about, string reason, string message, string? container = null)
        where T : IKubernetesObject<V1ObjectMeta> => Record(about, "Warning", reason, message, container);

    private void Record<T>(T about, string type, string reason, string message, string? container)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        try
        {
            lock (_lock)
            {
                Write(about, type, reason, message, container);
            }
        }
        catch (ApiException refused)
        {
            // An event is a courtesy: the work it tells of goes on without it, for example in a namespace that is being deleted.
            Log.EventLost(logger, reason, about.Metadata.Name, refused);
        }
    }

    private void Write<T>(T about, string type, string reason, string message, string? container)
        where T : IKubernetesObject<V1ObjectMeta>
    {
        DateTime now = WireTime.Seconds(time.GetUtcNow()).UtcDateTime;
        string ns = about.Metadata.NamespaceProperty ?? "default";
        string name = $"{about.Metadata.Name}.{Hash($"{about.Metadata.Uid}/{type}/{reason}/{message}/{container}")}";
        if (api.Get(_api.TypeOf<Corev1Event>(), ns, name) is not null)
        {
            _api.Modify<Corev1Event>(ns, name, item =>
            {
                item["count"] = (item["count"]?.GetValue<int>() ?? 1) + 1;
                item["lastTimestamp"] = JsonValue.Create(now.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture));
            });
            return;
        }

        V1OwnerReference reference = TypedApi.ControllerReference(about);
        _api.Create(new Corev1Event
        {
            Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = ns },
            InvolvedObject = new V1ObjectReference
            {
                ApiVersion = reference.ApiVersion,
                Kind = reference.Kind,
                Name = about.Metadata.Name,
                NamespaceProperty = about.Metadata.NamespaceProperty,
                Uid = about.Metadata.Uid,
                FieldPath = container is null ? null : $"spec.containers{{{container}}}",
            },
            Type = type,
            Reason = reason,
            Message = message,
            Count = 1,
            FirstTimestamp = now,
            LastTimestamp = now,
            Source = new V1EventSource { Component = about is not V1Pod ? "controller" : reason is "Scheduled" or "FailedScheduling" ? "default-scheduler" : "kubelet", Host = about is V1Pod ? "local" : null },
            ReportingComponent = "aifabric-local-cluster",
            ReportingInstance = "local",
        });
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];
}
