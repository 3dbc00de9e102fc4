using System.Collections.Concurrent;
using AiFabric.Engine;
using AiFabric.Engine.Adapters;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Weights;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Backend;

/// <summary>Runs something on an adapter's folder, downloaded if need be. The folder may go afterwards.</summary>
internal delegate Task<AdapterStatus> AdapterFolder(Func<string, Task<AdapterStatus>> use, CancellationToken cancellationToken);

/// <summary>
/// All adapters that this worker serves. As many as the engine takes are in memory, those that were asked for last; another one is read again when a request names it.
/// A request that waits for that delays nobody else: the engine goes on with its iterations meanwhile.
/// </summary>
/// <param name="engine">Holds those in memory.</param>
internal sealed class AdapterShelf(LlmEngine engine) : IDisposable
{
    private readonly ConcurrentDictionary<string, Entry> entries = new(StringComparer.Ordinal);

    // One is read at a time: two at once would take twice the memory and no less time.
    private readonly SemaphoreSlim reading = new(1, 1);

    /// <summary>Every adapter, in memory or not, by name.</summary>
    public IReadOnlyList<AdapterStatus> List() => [.. entries.Values.Select(entry => entry.Status).OrderBy(status => status.Name, StringComparer.Ordinal)];

    /// <summary>Reads an adapter and serves it under a name, in place of one of the same name. Idempotent where name and digest are those it has.</summary>
    /// <exception cref="EngineRejectedException">The adapter has another digest or too large a rank, or all in memory are in use.</exception>
    /// <exception cref="CheckpointException">The folder does not hold an adapter for this model.</exception>
    public async Task<AdapterStatus> PutAsync(string name, AdapterFolder folder, string? digest, CancellationToken cancellationToken)
    {
        if (digest is not null && entries.TryGetValue(name, out var present) && present.Status.Digest == digest)
            return present.Status;
        await reading.WaitAsync(cancellationToken);
        try
        {
            var status = await ReadAsync(name, folder, digest, cancellationToken);
            entries[name] = new Entry(folder, status);
            return status;
        }
        finally
        {
            reading.Release();
        }
    }

    /// <returns>False when there is none of that name.</returns>
    public async Task<bool> RemoveAsync(string name, CancellationToken cancellationToken)
    {
        await reading.WaitAsync(cancellationToken);
        try
        {
            return entries.TryRemove(name, out _) | await engine.UnloadAdapterAsync(name, cancellationToken);
        }
        finally
        {
            reading.Release();
        }
    }

    /// <summary>Keeps an adapter in memory, read anew if need be, until the answer is disposed.</summary>
    /// <returns>Null when there is none of that name.</returns>
    /// <exception cref="ApiException">429: all adapters in memory are in use; 503: its files cannot be read any more.</exception>
    public async Task<AdapterHold?> HoldAsync(string name, CancellationToken cancellationToken)
    {
        if (engine.TryHoldAdapter(name) is { } held)
            return held;
        await reading.WaitAsync(cancellationToken);
        try
        {
            if (!entries.TryGetValue(name, out var entry))
                return null;
            if (engine.TryHoldAdapter(name) is { } come)
                return come;
            await ReadAsync(name, entry.Folder, entry.Status.Digest, cancellationToken);
            return engine.TryHoldAdapter(name);
        }
        catch (EngineRejectedException e) when (e.Code == RejectionCodes.AdapterLimit)
        {
            throw new ApiException(429, e.Message, "model", e.Code);
        }
        catch (Exception e) when (e is StorageException or DownloadException or CheckpointException or EngineRejectedException)
        {
            throw new ApiException(503, $"The adapter '{name}' cannot be read again: {e.Message}", "model", "adapter_unavailable");
        }
        finally
        {
            reading.Release();
        }
    }

    public void Dispose() => reading.Dispose();

    private Task<AdapterStatus> ReadAsync(string name, AdapterFolder folder, string? digest, CancellationToken cancellationToken) => folder(
        async path =>
        {
            var info = await engine.LoadAdapterAsync(name, path, digest, cancellationToken);
            return new AdapterStatus { Name = info.Name, Digest = info.Digest, Rank = info.Rank };
        },
        cancellationToken);

    private sealed record Entry(AdapterFolder Folder, AdapterStatus Status);
}
