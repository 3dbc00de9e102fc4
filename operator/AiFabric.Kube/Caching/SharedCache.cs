using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging;

namespace AiFabric.Kube;

/// <summary>A store with subscribers: turns lists and watch events into changes and tells each subscriber, in order. Thread-safe.</summary>
internal sealed class SharedCache<T>(ILogger logger)
    where T : class, IKubernetesObject<V1ObjectMeta>
{
    // Reads take _read only, so that a subscriber's work does not hold them up; changes take _change and then, briefly, _read.
    private readonly Lock _change = new();
    private readonly Lock _read = new();
    private readonly Store<T> _store = new();
    private readonly List<Subscription> _subscribers = [];

    public int Count
    {
        get
        {
            lock (_read)
                return _store.Keys.Count;
        }
    }

    public T? Get(NamespacedName key)
    {
        lock (_read)
            return _store.Get(key);
    }

    public IReadOnlyList<T> List(string? @namespace)
    {
        lock (_read)
            return _store.List(@namespace);
    }

    public IReadOnlyList<T> ByIndex(string index, string value)
    {
        lock (_read)
            return _store.ByIndex(index, value);
    }

    public int CountByIndex(string index, string value)
    {
        lock (_read)
            return _store.CountByIndex(index, value);
    }

    public void AddIndex(string name, Func<T, IEnumerable<string>> values)
    {
        lock (_read)
            _store.AddIndex(name, values);
    }

    public IDisposable Subscribe(Action<StoreChange<T>> handler)
    {
        var subscription = new Subscription(this, handler);
        lock (_change)
        {
            foreach (T entity in List(null))
                Tell(subscription, new(StoreChangeKind.Added, entity));
            _subscribers.Add(subscription);
        }
        return subscription;
    }

    /// <summary>A new list: what is not in it any more was deleted while nobody watched.</summary>
    /// <param name="objects">What is there.</param>
    /// <param name="unreadable">Uids of what is there too and cannot be read: it stays as it was last read.</param>
    public void Replace(IReadOnlyList<T> objects, IReadOnlyList<string> unreadable)
    {
        lock (_change)
        {
            var listed = new HashSet<NamespacedName>();
            foreach (T entity in objects)
            {
                listed.Add(NamespacedName.Of(entity));
                Set(entity);
            }
            NamespacedName[] gone;
            lock (_read)
                gone = [.. _store.List(null).Where(entity => !unreadable.Contains(entity.Metadata.Uid)).Select(entity => NamespacedName.Of(entity)).Except(listed)];
            foreach (NamespacedName key in gone)
                Remove(key);
        }
    }

    public void Set(T entity)
    {
        lock (_change)
        {
            T? old;
            lock (_read)
                old = _store.Set(NamespacedName.Of(entity), entity);
            if (old is null)
            {
                TellAll(new(StoreChangeKind.Added, entity));
            }
            else if (old.Metadata.Uid != entity.Metadata.Uid)
            {
                // Deleted and created again under the same name: two lives, not one update.
                TellAll(new(StoreChangeKind.Deleted, old));
                TellAll(new(StoreChangeKind.Added, entity));
            }
            else if (old.Metadata.ResourceVersion is null || old.Metadata.ResourceVersion != entity.Metadata.ResourceVersion)
            {
                TellAll(new(StoreChangeKind.Updated, entity, old));
            }
        }
    }

    public void Remove(NamespacedName key)
    {
        lock (_change)
        {
            T? old;
            lock (_read)
                old = _store.Remove(key);
            if (old is not null)
                TellAll(new(StoreChangeKind.Deleted, old));
        }
    }

    private void TellAll(StoreChange<T> change)
    {
        foreach (Subscription subscription in _subscribers)
            Tell(subscription, change);
    }

    private void Tell(Subscription subscription, StoreChange<T> change)
    {
        try
        {
            subscription.Handler(change);
        }
#pragma warning disable CA1031 // One bad subscriber must not end the watch for all others.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.SubscriberThrew(logger, e, ResourceType.Of<T>().Plural);
        }
    }

    private void Unsubscribe(Subscription subscription)
    {
        lock (_change)
            _subscribers.Remove(subscription);
    }

    private sealed class Subscription(SharedCache<T> cache, Action<StoreChange<T>> handler) : IDisposable
    {
        public Action<StoreChange<T>> Handler { get; } = handler;

        public void Dispose() => cache.Unsubscribe(this);
    }
}
