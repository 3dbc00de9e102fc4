namespace AiFabric.Engine.KvCache;

/// <summary>What changed in a ledger.</summary>
/// <param name="Version">Of the state after the changes, to be asked with next time.</param>
/// <param name="IsWhole"><paramref name="Added"/> is all that the ledger holds.</param>
/// <param name="Added">Names that came.</param>
/// <param name="Removed">Names that went.</param>
public sealed record LedgerChanges(long Version, bool IsWhole, IReadOnlyCollection<ulong> Added, IReadOnlyCollection<ulong> Removed);

/// <summary>
/// The names of the prefixes that lie in a cache, and what changed lately, for whoever routes by them. Written by the engine's thread, read by any;
/// writing allocates nothing.
/// </summary>
public sealed class PrefixLedger
{
    private const int LeastChanges = 1024;

    private readonly Lock gate = new();
    private readonly Dictionary<ulong, int> blocks; // How many blocks bear a name.
    private readonly (ulong Name, bool Added)[] changes;
    private long version;

    /// <param name="capacity">Blocks of the cache, each of which bears one name at most.</param>
    public PrefixLedger(int capacity) =>
        (blocks, changes) = (new Dictionary<ulong, int>(capacity + 1), new (ulong, bool)[Math.Max(LeastChanges, capacity)]);

    /// <summary>One more block bears a name.</summary>
    public void Add(ulong name)
    {
        lock (gate)
        {
            int count = blocks.GetValueOrDefault(name);
            blocks[name] = count + 1;
            if (count == 0)
                Note(name, added: true);
        }
    }

    /// <summary>A block no longer bears a name.</summary>
    public void Remove(ulong name)
    {
        lock (gate)
        {
            int count = blocks.GetValueOrDefault(name);
            if (count > 1)
                blocks[name] = count - 1;
            else if (blocks.Remove(name))
                Note(name, added: false);
        }
    }

    /// <summary>What changed since a version; all there is when nobody remembers.</summary>
    /// <param name="since">An earlier <see cref="LedgerChanges.Version"/>; negative for the beginning.</param>
    public LedgerChanges Read(long since)
    {
        lock (gate)
        {
            if (since < 0 || since > version || version - since > changes.Length)
                return new LedgerChanges(version, IsWhole: true, [.. blocks.Keys], []);
            var last = new Dictionary<ulong, bool>(); // The last word on each name counts.
            for (long i = since; i < version; i++)
                last[changes[i % changes.Length].Name] = changes[i % changes.Length].Added;
            return new LedgerChanges(
                version, IsWhole: false, [.. last.Where(change => change.Value).Select(change => change.Key)], [.. last.Where(change => !change.Value).Select(change => change.Key)]);
        }
    }

    private void Note(ulong name, bool added) => changes[version++ % changes.Length] = (name, added);
}
