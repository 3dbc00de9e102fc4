using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Whether an event tells of something wrong.</summary>
public enum EventType
{
    Normal,
    Warning,
}

/// <summary>Tells people what happened to an object (<c>kubectl describe</c> shows it).</summary>
public interface IEventRecorder
{
    /// <summary>
    /// Writes an event. One that repeats (same object, type, reason and message) raises the count of the first. A failure to write is
    /// logged, never thrown: events must not stop a reconciliation.
    /// </summary>
    /// <param name="about">The object it is about.</param>
    /// <param name="type">Normal or Warning.</param>
    /// <param name="reason">One word in CamelCase, for machines.</param>
    /// <param name="message">A sentence for people; cut at 1,024 bytes.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    Task RecordAsync(
        IKubernetesObject<V1ObjectMeta> about, EventType type, string reason, string message, CancellationToken cancellationToken);
}
