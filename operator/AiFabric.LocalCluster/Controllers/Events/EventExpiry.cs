using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Events;

/// <summary>Deletes events that nobody has repeated for an hour, as an API server's event store does.</summary>
internal sealed class EventExpiry(IClusterApi api, TimeProvider time, ILogger<EventExpiry> logger) : Controller(api, time, logger)
{
    public static readonly TimeSpan KeptFor = TimeSpan.FromHours(1);

    protected override IReadOnlyList<WatchedType> Watches { get; } = [new("", "events", item => [ObjectKey.Of(item)])];

    protected override TimeSpan? Reconcile(ObjectKey key)
    {
        if (Api.Get<Corev1Event>(key.Namespace, key.Name) is not { } found)
        {
            return null;
        }

        DateTimeOffset last = WireTime.Read(found.LastTimestamp ?? found.EventTime ?? found.Metadata.CreationTimestamp) ?? Now;
        if (last + KeptFor > Now)
        {
            return last + KeptFor - Now;
        }

        Api.Delete(found);
        return null;
    }
}
