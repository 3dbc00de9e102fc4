using k8s;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>Objects by key and by index. Not thread-safe: its owner locks.</summary>
internal sealed class Store<T>
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    private readonly Dictionary<NamespacedName, T> _objects = [];
    private readonly Dictionary<string, Index> _indexes = [];

    public Store()
    {
        AddIndex(Indexes.ControllerUid, ControllerUid);
        AddIndex(Indexes.Namespace, entity => entity.Metadata.NamespaceProperty is { } space ? [space] : []);
    }

    public IReadOnlyCollection<NamespacedName> Keys => _objects.Keys;

    public T? Get(NamespacedName key) => _objects.GetValueOrDefault(key);

    public IReadOnlyList<T> List(string? @namespace) => @namespace is null ? [.. _objects.Values] : ByIndex(Indexes.Namespace, @namespace);

    public IReadOnlyList<T> ByIndex(string name, string value) => Find(name, value) is { } keys ? [.. keys.Select(key => _objects[key])] : [];

    public int CountByIndex(string name, string value) => Find(name, value)?.Count ?? 0;

    public void AddIndex(string name, Func<T, IEnumerable<string>> values)
    {
        var index = new Index(values);
        if (!_indexes.TryAdd(name, index))
            throw new ArgumentException($"{typeof(T).Name} has an index '{name}' already; choose another name.", nameof(name));
        foreach ((NamespacedName key, T entity) in _objects)
            index.Add(key, entity);
    }

    /// <returns>What was there before.</returns>
    public T? Set(NamespacedName key, T entity)
    {
        T? old = Remove(key);
        _objects[key] = entity;
        foreach (Index index in _indexes.Values)
            index.Add(key, entity);
        return old;
    }

    /// <returns>What was there before.</returns>
    public T? Remove(NamespacedName key)
    {
        if (!_objects.Remove(key, out T? old))
            return null;
        foreach (Index index in _indexes.Values)
            index.Remove(key, old);
        return old;
    }

    private HashSet<NamespacedName>? Find(string name, string value) => _indexes.TryGetValue(name, out Index? index)
        ? index.Keys.GetValueOrDefault(value)
        : throw new ArgumentException($"There is no index '{name}' of {typeof(T).Name}; add it with AddIndex first.", nameof(name));

    private static IEnumerable<string> ControllerUid(T entity) =>
        entity.Metadata.OwnerReferences?.Where(owner => owner.Controller == true && owner.Uid is not null).Select(owner => owner.Uid) ?? [];

    private sealed class Index(Func<T, IEnumerable<string>> values)
    {
        public Dictionary<string, HashSet<NamespacedName>> Keys { get; } = [];

        public void Add(NamespacedName key, T entity)
        {
            foreach (string value in values(entity))
            {
                if (!Keys.TryGetValue(value, out HashSet<NamespacedName>? keys))
                    Keys[value] = keys = [];
                keys.Add(key);
            }
        }

        public void Remove(NamespacedName key, T entity)
        {
            foreach (string value in values(entity))
            {
                if (Keys.TryGetValue(value, out HashSet<NamespacedName>? keys) && keys.Remove(key) && keys.Count == 0)
                    Keys.Remove(value);
            }
        }
    }
}
