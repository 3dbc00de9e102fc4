using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Controllers.Garbage;

/// <summary>Names one object of any type.</summary>
internal readonly record struct ItemRef(ResourceType Type, string Namespace, string Name)
{
    public string? NamespaceOrNull => Type.Namespaced ? Namespace : null;
}

/// <summary>Who depends on whom, by the owner's uid. Thread safe.</summary>
internal sealed class OwnerGraph
{
    private const int RememberedDeletions = 10_000;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, HashSet<ItemRef>> _dependents = [];
    private readonly Dictionary<ItemRef, string[]> _owners = [];
    private readonly HashSet<string> _gone = [];
    private readonly Queue<string> _goneOrder = new();

    public void Set(ItemRef item, string[] ownerUids)
    {
        lock (_lock)
        {
            Forget(item);
            if (ownerUids.Length == 0)
            {
                return;
            }

            _owners[item] = ownerUids;
            foreach (string uid in ownerUids)
            {
                if (!_dependents.TryGetValue(uid, out HashSet<ItemRef>? set))
                {
                    _dependents[uid] = set = [];
                }

                set.Add(item);
            }
        }
    }

    public void Remove(ItemRef item, string uid)
    {
        lock (_lock)
        {
            Forget(item);
            if (_gone.Add(uid))
            {
                _goneOrder.Enqueue(uid);
                if (_goneOrder.Count > RememberedDeletions)
                {
                    _gone.Remove(_goneOrder.Dequeue());
                }
            }
        }
    }

    public bool IsGone(string uid)
    {
        lock (_lock)
        {
            return _gone.Contains(uid);
        }
    }

    public IReadOnlyList<ItemRef> DependentsOf(string uid)
    {
        lock (_lock)
        {
            return _dependents.TryGetValue(uid, out HashSet<ItemRef>? set) ? [.. set] : [];
        }
    }

    private void Forget(ItemRef item)
    {
        if (!_owners.Remove(item, out string[]? uids))
        {
            return;
        }

        foreach (string uid in uids)
        {
            if (_dependents.TryGetValue(uid, out HashSet<ItemRef>? set) && set.Remove(item) && set.Count == 0)
            {
                _dependents.Remove(uid);
            }
        }
    }
}
