using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Storage;

/// <summary>
/// All objects in memory, written through to SQLite, with one revision counter for the whole cluster (the resourceVersion) and the last
/// <c>keepEvents</c> changes for watches. Thread safe; callers that read, decide and write hold <see cref="Gate"/> meanwhile.
/// </summary>
internal sealed class ObjectStore : IDisposable
{
    private readonly Database _database;
    private readonly int _keepEvents;
    private readonly Dictionary<string, SortedDictionary<(string Namespace, string Name), StoredObject>> _objects = new(StringComparer.Ordinal);
    private readonly List<StoredEvent> _events = [];
    private TaskCompletionSource _pulse = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _revision;
    private long _compacted;

    /// <summary>Opens the store in <paramref name="path"/> and reads it whole.</summary>
    public ObjectStore(string path, int keepEvents = 5000)
    {
        _keepEvents = keepEvents;
        _database = new Database(path);
        _revision = Math.Max(1, _database.ReadCounter("revision"));
        _compacted = _database.ReadCounter("compacted");
        foreach (var stored in _database.ReadObjects())
            Table(stored.Resource)[(stored.Namespace, stored.Name)] = stored;
        _events.AddRange(_database.ReadEvents());
    }

    /// <summary>Held (re-entrant) by whoever reads and then writes what depends on it.</summary>
    public Lock Gate { get; } = new();

    public long Revision
    {
        get
        {
            lock (Gate)
                return _revision;
        }
    }

    public void Dispose() => _database.Dispose();

    public StoredObject? Find(string resource, string? ns, string name)
    {
        lock (Gate)
            return _objects.TryGetValue(resource, out var table) ? table.GetValueOrDefault((ns ?? "", name)) : null;
    }

    public (IReadOnlyList<StoredObject> Items, long Revision) List(string resource, string? ns)
    {
        lock (Gate)
        {
            if (!_objects.TryGetValue(resource, out var table))
                return ([], _revision);
            return ([.. table.Values.Where(stored => ns is null || stored.Namespace == ns)], _revision);
        }
    }

    /// <summary>The names of the resources that have objects.</summary>
    public IReadOnlyList<string> Resources()
    {
        lock (Gate)
            return [.. _objects.Where(table => table.Value.Count > 0).Select(table => table.Key)];
    }

    /// <summary>Stores a new or changed object, sets its resourceVersion and tells the watches.</summary>
    public StoredObject Put(string resource, string? ns, string name, JsonObject body)
    {
        lock (Gate)
        {
            var previous = Find(resource, ns, name);
            var type = previous is null ? ClusterEvent.Added : ClusterEvent.Modified;
            var change = Stamp(type, resource, ns, name, body, previous);
            var stored = new StoredObject(resource, ns ?? "", name, change.Revision, change.Body);
            _database.Write(change, delete: false);
            Table(resource)[(stored.Namespace, name)] = stored;
            Publish(change);
            return stored;
        }
    }

    /// <summary>Removes an object; <paramref name="last"/> is the state that watches see.</summary>
    public void Remove(string resource, string? ns, string name, JsonObject last)
    {
        lock (Gate)
        {
            var change = Stamp(ClusterEvent.Deleted, resource, ns, name, last, Find(resource, ns, name));
            _database.Write(change, delete: true);
            Table(resource).Remove((ns ?? "", name));
            Publish(change);
        }
    }

    /// <summary>
    /// The changes of a resource after a revision. When <paramref name="idle"/> passes without one, a BOOKMARK with no body tells how far the
    /// watch has come.
    /// </summary>
    /// <exception cref="ApiException">410 when the history does not reach back so far.</exception>
    public async IAsyncEnumerable<StoredEvent> WatchAsync(
        string resource, string? ns, long after, TimeSpan idle, TimeProvider clock, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            var (found, reached, pulse) = Read(resource, ns, after);
            foreach (var change in found)
                yield return change;
            after = reached;
            cancellationToken.ThrowIfCancellationRequested();
            if (found.Count > 0)
                continue;
            try
            {
                await pulse.WaitAsync(idle, clock, cancellationToken);
                continue;
            }
            catch (TimeoutException)
            {
                // Nothing happened: say so below, outside the catch block, where yield is allowed.
            }

            yield return new(after, ClusterEvent.Bookmark, resource, "", "", default, null);
        }
    }

    private (IReadOnlyList<StoredEvent> Found, long Reached, Task Pulse) Read(string resource, string? ns, long after)
    {
        lock (Gate)
        {
            // A revision from the future comes from another life of this data folder: the client must list again.
            if (after < _compacted || after > _revision)
                throw ApiException.Expired(after, _compacted);
            var start = _events.Count;
            while (start > 0 && _events[start - 1].Revision > after)
                start--;
            var found = _events.Skip(start).Where(change => change.Resource == resource && (ns is null || change.Namespace == ns));
            return ([.. found], _revision, _pulse.Task);
        }
    }

    private StoredEvent Stamp(string type, string resource, string? ns, string name, JsonObject body, StoredObject? previous)
    {
        var revision = _revision + 1;
        if (body["metadata"] is JsonObject metadata)
            metadata["resourceVersion"] = revision.ToString(CultureInfo.InvariantCulture);
        return new(revision, type, resource, ns ?? "", name, JsonSerializer.SerializeToElement(body), previous?.Body);
    }

    private void Publish(StoredEvent change)
    {
        _revision = change.Revision;
        _events.Add(change);
        if (_events.Count > _keepEvents + (_keepEvents / 4))
        {
            _compacted = _events[^(_keepEvents + 1)].Revision;
            _events.RemoveRange(0, _events.Count - _keepEvents);
            _database.Compact(_compacted);
        }

        var pulse = _pulse;
        _pulse = new(TaskCreationOptions.RunContinuationsAsynchronously);
        pulse.SetResult();
    }

    [SuppressMessage("Performance", "CA1859", Justification = "The order of keys is the order of lists")]
    private SortedDictionary<(string Namespace, string Name), StoredObject> Table(string resource)
    {
        if (!_objects.TryGetValue(resource, out var table))
        {
            table = new(Comparer<(string Namespace, string Name)>.Create(static (a, b) =>
                string.CompareOrdinal(a.Namespace, b.Namespace) is var order and not 0 ? order : string.CompareOrdinal(a.Name, b.Name)));
            _objects[resource] = table;
        }

        return table;
    }
}
