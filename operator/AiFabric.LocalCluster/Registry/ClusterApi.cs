using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Storage;

namespace AiFabric.LocalCluster.Registry;

/// <summary>The cluster's objects in a store. Reads and watches are here; writes go to <see cref="ObjectWriter"/> and <see cref="ObjectRemover"/>.</summary>
internal sealed class ClusterApi(
    ObjectStore store, TypeRegistry types, ObjectWriter writer, ObjectRemover remover, TimeProvider clock) : IClusterApi
{
    private static readonly TimeSpan NoBookmarks = TimeSpan.FromMinutes(10);

    public IReadOnlyList<ResourceType> Types => [.. types.Entries.Select(entry => entry.Type)];

    public ResourceType? FindType(string group, string plural) => types.Find(group, plural)?.Type;

    public JsonObject? Get(ResourceType type, string? ns, string name) =>
        store.Find(EventShapes.Stored(type), ns, name) is { } stored ? Materialize(type, stored.Body) : null;

    public (IReadOnlyList<JsonObject> Items, long Revision) List(
        ResourceType type, string? ns = null, string? labelSelector = null, string? fieldSelector = null)
    {
        var selector = Selector.Parse(labelSelector, fieldSelector);
        var (found, revision) = store.List(EventShapes.Stored(type), ns);
        return ([.. found.Select(stored => Materialize(type, stored.Body)).Where(selector.Matches)], revision);
    }

    public JsonObject Create(ResourceType type, string? ns, JsonObject body, WriteOptions? options = null) =>
        writer.Create(type, ns, body, options ?? new());

    public JsonObject Update(
        ResourceType type, string? ns, string name, JsonObject body, string? subresource = null, WriteOptions? options = null) =>
        writer.Update(type, ns, name, body, subresource, options ?? new());

    public JsonObject Delete(ResourceType type, string? ns, string name, DeleteRequest? options = null) =>
        remover.Delete(type, ns, name, options ?? new());

    public async IAsyncEnumerable<ClusterEvent> WatchAsync(
        ResourceType type, string? ns, long fromRevision, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var change in WatchAsync(type, ns, Selector.Everything, fromRevision, NoBookmarks, cancellationToken))
        {
            if (change.Type != ClusterEvent.Bookmark)
                yield return change;
        }
    }

    /// <summary>Watches the objects that match a selector: one that stops matching is seen as DELETED, one that starts as ADDED.</summary>
    public async IAsyncEnumerable<ClusterEvent> WatchAsync(
        ResourceType type, string? ns, Selector selector, long after, TimeSpan idle, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var change in store.WatchAsync(EventShapes.Stored(type), ns, after, idle, clock, cancellationToken))
        {
            if (change.Type == ClusterEvent.Bookmark)
            {
                yield return new(ClusterEvent.Bookmark, BookmarkObject(type, change.Revision), change.Revision);
                continue;
            }

            var now = Materialize(type, change.Body);
            var matched = change.Previous is { } previous && selector.Matches(Materialize(type, previous));
            var matches = change.Type != ClusterEvent.Deleted && selector.Matches(now);
            if (matches)
                yield return new(matched ? ClusterEvent.Modified : ClusterEvent.Added, now, change.Revision);
            else if (matched)
                yield return new(ClusterEvent.Deleted, change.Type == ClusterEvent.Deleted ? now : AsLastSeen(type, change.Previous!.Value, change.Revision), change.Revision);
        }
    }

    /// <summary>An object that no longer matches a watch's selector: as it was when it did, in the version of the change.</summary>
    private static JsonObject AsLastSeen(ResourceType type, JsonElement previous, long revision)
    {
        var made = Materialize(type, previous).Clone();
        made.Ensure("metadata")["resourceVersion"] = revision.ToString(CultureInfo.InvariantCulture);
        return made;
    }

    internal static JsonObject BookmarkObject(ResourceType type, long revision) => new()
    {
        ["kind"] = type.Kind,
        ["apiVersion"] = type.ApiVersion,
        ["metadata"] = new JsonObject { ["resourceVersion"] = revision.ToString(CultureInfo.InvariantCulture) },
    };

    /// <summary>A copy of a stored body in the version of <paramref name="type"/>; conversion between versions is by name only.</summary>
    internal static JsonObject Materialize(ResourceType type, JsonElement body)
    {
        // An object over an element parses its fields only when they are read and shares nothing with other readers.
        var made = JsonObject.Create(body)!;
        if (made.Text("apiVersion") != type.ApiVersion)
            EventShapes.Convert(made, type);
        return made;
    }
}
