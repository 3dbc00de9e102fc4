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

    /// <summary>Reads an adapter and serves it under a name, in place of one of the same name. Idempotent where name, URI and digest are those it has.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="request">Where it lies, and its digest.</param>
    /// <param name="folder">The folder there.</param>
    /// <param name="cancellationToken">Cancels before the files are read.</param>
    /// <exception cref="EngineRejectedException">The adapter has another digest or too large a rank, or all in memory are in use.</exception>
    /// <exception cref="CheckpointException">The folder does not hold an adapter for this model.</exception>
    public async Task<AdapterStatus> PutAsync(string name, AdapterRequest request, AdapterFolder folder, CancellationToken cancellationToken)
    {
        if (Present(name, request) is { } present && present.Uri == request.Uri)
            return present.Status;
        // What is downloaded keeps nobody waiting.
        return await folder(
            path => InTurnAsync(
                async () =>
                {
                    var status = Present(name, request) is { } moved
                        ? await CheckAsync(moved.Status, path, cancellationToken)
                        : await ReadAsync(name, path, request.Digest, cancellationToken);
                    entries[name] = new Entry(request.Uri, folder, status);
                    return status;
                },
                cancellationToken),
            cancellationToken);
    }

    /// <returns>False when there is none of that name.</returns>
    public Task<bool> RemoveAsync(string name, CancellationToken cancellationToken) => InTurnAsync(
        async () => entries.TryRemove(name, out _) | await engine.UnloadAdapterAsync(name, cancellationToken), cancellationToken);

    /// <summary>Keeps an adapter in memory, read anew if need be, until the answer is disposed.</summary>
    /// <returns>Null when there is none of that name.</returns>
    /// <exception cref="ApiException">429: all adapters in memory are in use; 503: its files cannot be read any more.</exception>
    public async Task<AdapterHold?> HoldAsync(string name, CancellationToken cancellationToken)
    {
        if (engine.TryHoldAdapter(name) is { } held)
            return held;
        try
        {
            while (entries.TryGetValue(name, out var entry))
            {
                if (await HoldAsync(name, entry, cancellationToken) is { } read)
                    return read;
            }
            return null;
        }
        catch (EngineRejectedException e) when (e.Code == RejectionCodes.AdapterLimit)
        {
            throw new ApiException(429, e.Message, "model", e.Code);
        }
        catch (Exception e) when (e is StorageException or DownloadException or CheckpointException or EngineRejectedException)
        {
            throw new ApiException(503, $"The adapter '{name}' cannot be read again: {e.Message}", "model", "adapter_unavailable");
        }
    }

    public void Dispose() => reading.Dispose();

    // Null when another adapter took the name meanwhile, or none has it any more.
    private async Task<AdapterHold?> HoldAsync(string name, Entry entry, CancellationToken cancellationToken)
    {
        AdapterHold? hold = null;
        _ = await entry.Folder(
            path => InTurnAsync(
                async () =>
                {
                    hold = engine.TryHoldAdapter(name);
                    if (hold is null && ReferenceEquals(entries.GetValueOrDefault(name), entry))
                    {
                        _ = await ReadAsync(name, path, entry.Status.Digest, cancellationToken);
                        hold = engine.TryHoldAdapter(name);
                    }
                    return entry.Status;
                },
                cancellationToken),
            cancellationToken);
        return hold;
    }

    private Entry? Present(string name, AdapterRequest request) =>
        request.Digest is not null && entries.TryGetValue(name, out var entry) && entry.Status.Digest == request.Digest ? entry : null;

    // One that only moved stays in memory as it is, or out of it: the files of its new place are read when it comes back.
    private static async Task<AdapterStatus> CheckAsync(AdapterStatus status, string path, CancellationToken cancellationToken)
    {
        string digest = await Task.Run(() => PeftFolder.DigestOf(path), cancellationToken);
        return digest == status.Digest
            ? status
            : throw new EngineRejectedException(RejectionCodes.AdapterInvalid, $"{path} has digest {digest}, expected {status.Digest}.", "digest");
    }

    private async Task<AdapterStatus> ReadAsync(string name, string path, string? digest, CancellationToken cancellationToken)
    {
        var info = await engine.LoadAdapterAsync(name, path, digest, cancellationToken);
        return new AdapterStatus { Name = info.Name, Digest = info.Digest, Rank = info.Rank };
    }

    private async Task<T> InTurnAsync<T>(Func<Task<T>> work, CancellationToken cancellationToken)
    {
        await reading.WaitAsync(cancellationToken);
        try
        {
            return await work();
        }
        finally
        {
            reading.Release();
        }
    }

    private sealed record Entry(string Uri, AdapterFolder Folder, AdapterStatus Status);
}
