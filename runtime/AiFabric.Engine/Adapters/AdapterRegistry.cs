using AiFabric.Engine.Requests;

namespace AiFabric.Engine.Adapters;

/// <summary>A loaded adapter, as clients see it.</summary>
/// <param name="Name">Name in requests.</param>
/// <param name="Digest"><c>sha256:…</c> of its files.</param>
/// <param name="Rank">Rank of its matrices.</param>
public sealed record AdapterInfo(string Name, string Digest, int Rank);

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

    /// <summary>Makes an adapter available, in place of one of the same name; takes it over.</summary>
    /// <exception cref="EngineRejectedException">There are already as many as allowed; the adapter is then disposed.</exception>
    public AdapterInfo Install(LoraAdapter adapter)
    {
        lock (gate)
        {
            if (byName.Count >= maxAdapters && !byName.ContainsKey(adapter.Name))
            {
                adapter.Dispose();
                throw new EngineRejectedException(
                    RejectionCodes.AdapterLimit, $"{byName.Count} adapters are loaded, as many as this engine takes; unload one or raise lora.maxAdapters.");
            }
            if (byName.Remove(adapter.Name, out var replaced))
                Release(replaced);
            var entry = new Entry(++loads, adapter);
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
    /// <returns>The load's number, or null when no adapter has that name.</returns>
    public long? TryAcquire(string name)
    {
        lock (gate)
        {
            if (!byName.TryGetValue(name, out var entry))
                return null;
            entry.Holders++;
            return entry.Load;
        }
    }

    /// <summary>The adapter of a load that somebody holds.</summary>
    public LoraAdapter Held(long load)
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

    private void Release(Entry entry)
    {
        if (--entry.Holders > 0)
            return;
        byLoad.Remove(entry.Load);
        entry.Adapter.Dispose();
    }

    private sealed class Entry(long load, LoraAdapter adapter)
    {
        public long Load { get; } = load;

        public LoraAdapter Adapter { get; } = adapter;

        // The name itself is a holder.
        public int Holders { get; set; } = 1;

        public AdapterInfo Info { get; } = new(adapter.Name, adapter.Digest, adapter.Rank);
    }
}
