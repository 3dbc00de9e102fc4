using System.Globalization;
using System.Runtime.InteropServices;
using AiFabric.Engine.KvCache;
using AiFabric.Protocol.Gateway;
using AiFabric.Worker.Backend;

namespace AiFabric.Worker.Serving;

/// <summary>Says what a router needs to know: how busy the engine is, and which prefixes came into its cache or left it.</summary>
internal sealed class RoutingLoad
{
    // Another process counts its changes anew: a cursor of its predecessor's must mean nothing to it.
    private readonly string life = Guid.NewGuid().ToString("N")[..12];

    public WorkerLoad Report(IModelBackend backend, string? since)
    {
        var load = backend.Load;
        return new WorkerLoad
        {
            RunningRequests = load.Running,
            QueuedRequests = load.Queued,
            QueuedPromptTokens = load.QueuedPromptTokens,
            TotalKvBlocks = load.TotalBlocks,
            FreeKvBlocks = load.FreeBlocks,
            Prefixes = backend.Prefixes is { } ledger ? Changes(ledger.Read(VersionOf(since))) : null,
        };
    }

    private PrefixChanges Changes(LedgerChanges changes) => new()
    {
        Cursor = string.Create(CultureInfo.InvariantCulture, $"{life}.{changes.Version}"),
        IsWhole = changes.IsWhole,
        Added = Bytes(changes.Added),
        Removed = Bytes(changes.Removed),
    };

    private long VersionOf(string? cursor) =>
        cursor?.Split('.') is [var of, var version] && of == life && long.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out long known) ? known : -1;

    private static byte[] Bytes(IReadOnlyCollection<ulong> names) => MemoryMarshal.AsBytes<ulong>([.. names]).ToArray();
}
