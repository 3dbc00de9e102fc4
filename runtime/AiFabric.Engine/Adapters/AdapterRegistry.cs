using AiFabric.Engine.Requests;

namespace AiFabric.Engine.Adapters;

/// <summary>A loaded adapter, as clients see it.</summary>
/// <param name="Name">Name in requests.</param>
/// <param name="Digest"><c>sha256:…</c> of its files.</param>
/// <param name="Rank">Rank of its matrices.</param>
public sealed record AdapterInfo(string Name, string Digest, int Rank);

/// <summary>Keeps one version of an adapter in memory until it is disposed, also when another one takes its name.</summary>
public sealed class AdapterHold : IDisposable
{
    private readonly AdapterRegistry registry;
    private int released;

    internal AdapterHold(AdapterRegistry registry, long load) => (this.registry, Load) = (registry, load);

    internal long Load { get; }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref released, 1) == 0)
            registry.Release(Load);
    }
}

/// <summary>
/// The adapters requests may name. A lease keeps an adapter's tensors alive until the last sequence that uses it ends, also when it
/// was unloaded or replaced meanwhile. Thread safe.
/// </summary>
/// <param name="maxAdapters">Adapters at the same time.</param>
internal sealed class AdapterRegistry(int maxAdapters) : IDisposable
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Entry> byName = new(StringComparer.Ordinal);
    private readonly Dictionary<long, Entry> byLoad = [];
    private long loads;
    private long uses;

    public IReadOnlyList<AdapterInfo> List()
    {
        lock (gate)
        {
            return [.. byName.Values.Select(entry => entry.Info).OrderBy(info => info.Name, StringComparer.Ordinal)];
        }
    }

    public AdapterInfo? Find(string name)
    {
        lock (gate)
        {
            return byName.GetValueOrDefault(name)?.Info;
        }
    }

    /// <summary>
    /// Makes an adapter available and takes it over: in place of one of the same name or, when there are as many as allowed, of the one that nobody uses and that
    /// was asked for longest ago.
    /// </summary>
    /// <exception cref="EngineRejectedException">All are in use; the adapter is then disposed.</exception>
    public AdapterInfo Install(PeftAdapter adapter)
    {
        lock (gate)
        {
            if (byName.Count >= maxAdapters && !byName.ContainsKey(adapter.Name) && !EvictOne())
            {
                adapter.Dispose();
                throw new EngineRejectedException(
                    RejectionCodes.AdapterLimit, $"{byName.Count} adapters are in use, as many as this engine holds in memory; try again, or raise lora.maxAdapters.");
            }
            if (byName.Remove(adapter.Name, out var replaced))
                Release(replaced);
            var entry = new Entry(++loads, adapter) { LastUse = ++uses };
            byName.Add(adapter.Name, entry);
            byLoad.Add(entry.Load, entry);
            return entry.Info;
        }
    }

    /// <returns>False when there is none of that name.</returns>
    public bool Remove(string name)
    {
        lock (gate)
        {
            if (!byName.Remove(name, out var entry))
                return false;
            Release(entry);
            return true;
        }
    }

    /// <summary>Holds an adapter; the caller gives the number back to <see cref="Release(long)"/> once.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="held">The version to hold; null for the one that has the name now.</param>
    /// <returns>The load's number, or null when no adapter has that name.</returns>
    public long? TryAcquire(string name, AdapterHold? held = null)
    {
        lock (gate)
        {
            var entry = held is null ? byName.GetValueOrDefault(name) : byLoad.GetValueOrDefault(held.Load);
            if (entry is null)
                return null;
            entry.Holders++;
            entry.LastUse = ++uses;
            return entry.Load;
        }
    }

    /// <summary>Holds an adapter until the answer is disposed; null when no adapter has that name.</summary>
    public AdapterHold? TryHold(string name) => TryAcquire(name) is { } load ? new AdapterHold(this, load) : null;

    /// <summary>The adapter of a load that somebody holds.</summary>
    public PeftAdapter Held(long load)
    {
        lock (gate)
        {
            return byLoad[load].Adapter;
        }
    }

    public void Release(long load)
    {
        lock (gate)
        {
            Release(byLoad[load]);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            foreach (var entry in byLoad.Values)
                entry.Adapter.Dispose();
            byLoad.Clear();
            byName.Clear();
        }
    }

    private bool EvictOne()
    {
        // Its name alone holds it.
        if (byName.Values.Where(entry => entry.Holders == 1).MinBy(entry => entry.LastUse) is not { } idle)
            return false;
        byName.Remove(idle.Adapter.Name);
        Release(idle);
        return true;
    }

    private void Release(Entry entry)
    {
        if (--entry.Holders > 0)
            return;
        byLoad.Remove(entry.Load);
        entry.Adapter.Dispose();
    }

    private sealed class Entry(long load, PeftAdapter adapter)
    {
        public long Load { get; } = load;

        public PeftAdapter Adapter { get; } = adapter;

        // The name itself is a holder.
        public int Holders { get; set; } = 1;

        /// <summary>The higher, the later it was asked for.</summary>
        public long LastUse { get; set; }

        public AdapterInfo Info { get; } = new(adapter.Name, adapter.Digest, adapter.Rank);
    }
}
