using AiFabric.Engine.Interop;
using AiFabric.Protocol;
using AiFabric.Worker.Storage.Transfer;

namespace AiFabric.Worker.Storage.Cache;

/// <summary>A complete folder of the cache. It stays until this is disposed or the process ends.</summary>
internal sealed class CachedModel(string folder, CacheManifest manifest, IDisposable lease) : IDisposable
{
    public string Folder { get; } = folder;

    public CacheManifest Manifest { get; } = manifest;

    public void Dispose() => lease.Dispose();
}

/// <summary>Brings remote files into a shared folder, each content once, whoever asks.</summary>
internal sealed class ModelCache(CacheLayout layout, long? maxBytes, TimeProvider time, ILogger log)
{
    private const int ConcurrentFiles = 4;

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private readonly CacheRoom room = new(layout, maxBytes, time, log);

    /// <summary>The model that a URI stood for when it was last asked, if it is still here.</summary>
    public async Task<CachedModel?> RecallAsync(string uri, CancellationToken cancellationToken)
    {
        if (!File.Exists(layout.Ref(uri)))
            return null;
        string key = (await File.ReadAllTextAsync(layout.Ref(uri), cancellationToken)).Trim();
        var lease = await UseAsync(key, cancellationToken);
        if (Find(key, lease) is { } found)
            return found;
        await lease.DisposeAsync();
        return null;
    }

    /// <summary>The files of <paramref name="listing"/>, from here or from <paramref name="source"/>.</summary>
    /// <exception cref="DownloadException">They cannot be had; what came stays for the next try.</exception>
    public async Task<CachedModel> GetAsync(string uri, RemoteListing listing, IRemoteSource source, LoadingProgress progress, CancellationToken cancellationToken)
    {
        string key = CacheLayout.KeyOf(listing);
        var lease = await UseAsync(key, cancellationToken);
        try
        {
            CachedModel? found;
            while ((found = Find(key, lease)) is null)
            {
                using var fetch = FileLock.TryExclusive(layout.FetchLock(key));
                if (fetch is null)
                    await WatchAsync(key, listing, progress, cancellationToken);
                else if (CacheManifest.ReadIfComplete(layout.Model(key)) is null)
                    await FetchAsync(key, uri, listing, source, progress, cancellationToken);
            }
            WriteRef(uri, key);
            return found;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await lease.DisposeAsync();
            throw DiskErrors.Of(layout.Root, listing.TotalBytes, e);
        }
        catch
        {
            await lease.DisposeAsync();
            throw;
        }
    }

    private async Task<FileStream> UseAsync(string key, CancellationToken cancellationToken)
    {
        var lease = await FileLock.WaitAsync(() => FileLock.TryShared(layout.UseLock(key)), time, cancellationToken);
        File.SetLastWriteTimeUtc(layout.UseLock(key), time.GetUtcNow().UtcDateTime);
        return lease;
    }

    private CachedModel? Find(string key, FileStream lease) =>
        CacheManifest.ReadIfComplete(layout.Model(key)) is { } manifest ? new CachedModel(layout.Files(key), manifest, lease) : null;

    /// <summary>Looks on for a moment while another worker downloads.</summary>
    private async Task WatchAsync(string key, RemoteListing listing, LoadingProgress progress, CancellationToken cancellationToken)
    {
        progress.Waiting(listing.TotalBytes);
        progress.Reached(Math.Min(listing.TotalBytes, CacheLayout.BytesIn(layout.Incoming(key))));
        await Task.Delay(LookAgain, time, cancellationToken);
    }

    private async Task FetchAsync(string key, string uri, RemoteListing listing, IRemoteSource source, LoadingProgress progress, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        Log.Downloading(log, StorageUri.WithoutQuery(uri), listing.Revision, listing.Files.Count, ByteText.Of(listing.TotalBytes));
        // An archive and what is in it are here at the same time.
        long packed = listing.Files.Where(file => file.Packing != Packing.None).Sum(file => file.Size ?? 0);
        await room.ReserveAsync(key, listing.TotalBytes + packed, cancellationToken);
        progress.Downloading(listing.TotalBytes);
        string ready = layout.Ready(key);
        string files = Path.Combine(ready, CacheManifest.FilesFolder);
        var download = new FileDownload(source, Retries.ForTransfers(time, TimeSpan.FromSeconds(1), 5), progress, time);
        await Parallel.ForEachAsync(
            listing.Files, new ParallelOptions { MaxDegreeOfParallelism = ConcurrentFiles, CancellationToken = cancellationToken },
            async (file, token) => await download.RunAsync(file, SafePath.Below(file.Packing == Packing.None ? files : layout.Parts(key), file.Path), token));
        Directory.CreateDirectory(files);
        foreach (var archive in listing.Files.Where(file => file.Packing != Packing.None))
            await Archive.ExtractAsync(SafePath.Below(layout.Parts(key), archive.Path), archive.Packing, files, cancellationToken);
        CacheManifest.Write(ready, uri, listing.Revision);
        FolderStorage.Publish(ready, layout.Model(key));
        Directory.Delete(layout.Incoming(key), recursive: true);
        Log.Downloaded(log, StorageUri.WithoutQuery(uri), key, time.GetElapsedTime(start).TotalSeconds);
    }

    private void WriteRef(string uri, string key)
    {
        string path = layout.Ref(uri);
        string fresh = $"{path}.{Environment.ProcessId}-{Guid.NewGuid():N}";
        File.WriteAllText(fresh, key);
        File.Move(fresh, path, overwrite: true);
    }
}
