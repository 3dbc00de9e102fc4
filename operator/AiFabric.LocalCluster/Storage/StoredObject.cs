using System.Text.Json;

namespace AiFabric.LocalCluster.Storage;

/// <summary>An object at one revision. The body is immutable, so it is shared between threads.</summary>
internal sealed record StoredObject(string Resource, string Namespace, string Name, long Revision, JsonElement Body);

/// <summary>One change: the object after it (for a deletion its last state) and before it.</summary>
internal sealed record StoredEvent(
    long Revision, string Type, string Resource, string Namespace, string Name, JsonElement Body, JsonElement? Previous);
