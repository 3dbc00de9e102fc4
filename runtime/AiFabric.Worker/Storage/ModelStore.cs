using AiFabric.Worker.Storage.Cache;
using AiFabric.Worker.Storage.Sources;
using AiFabric.Worker.Storage.Transfer;

namespace AiFabric.Worker.Storage;

/// <summary>The settings of a <see cref="ModelStore"/>.</summary>
/// <param name="CacheFolder">Made on the first download.</param>
/// <param name="MaxBytes">What the cache may take; null for all that the disk has.</param>
/// <param name="FirstRetry">The wait after the first failed download; doubles with each further one.</param>
internal sealed record ModelStoreOptions(string CacheFolder, long? MaxBytes, TimeSpan FirstRetry);

/// <summary>Everything that is read by URI (models, adapters, datasets) goes through here and becomes a local path.</summary>
internal sealed class ModelStore(ModelStoreOptions options, Func<string, string?> environment, TimeProvider time, ILogger log) : IDisposable
{
    private readonly Lock gate = new();
    private readonly List<CachedModel> kept = [];
    private ModelCache? cache;

    /// <summary>Downloads a model into the cache: waits, and tries for ever, while it cannot be had.</summary>
    /// <param name="uri">Where it lies; remote.</param>
    /// <param name="revision">Which revision; null for the newest.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>Its folder, which stays as long as this process.</returns>
    /// <exception cref="StorageException">The URI or the cache cannot be used.</exception>
    public async Task<string> DownloadModelAsync(string uri, string? revision, LoadingProgress progress, CancellationToken cancellationToken)
    {
        var retries = Retries.ForEver(time, options.FirstRetry, (e, wait) =>
        {
            progress.Failed(e.Message);
            Log.DownloadFailed(log, StorageUri.WithoutQuery(uri), e.Message, wait.TotalSeconds);
        });
        string folder = Keep(await retries.ExecuteAsync(async token => await FetchAsync(uri, revision, progress, token), cancellationToken));
        progress.Loading();
        return folder;
    }

    /// <summary>Runs <paramref name="use"/> on a folder, downloaded if need be. The folder may go afterwards.</summary>
    /// <exception cref="StorageException">The URI or the cache cannot be used.</exception>
    /// <exception cref="DownloadException">It cannot be had now.</exception>
    public async Task<T> UseFolderAsync<T>(string uri, Func<string, Task<T>> use, CancellationToken cancellationToken)
    {
        if (!StorageUri.IsRemote(uri))
            return await use(StorageUri.ToExistingFolder(uri));
        using var model = await FetchAsync(uri, null, new LoadingProgress(), cancellationToken);
        return await use(RootOf(model));
    }

    /// <summary>The path of one file, downloaded if need be.</summary>
    /// <returns>The path, and what keeps it in the cache until it is disposed; null when it is not in the cache.</returns>
    /// <exception cref="StorageException">The URI or the cache cannot be used, or stands for several files.</exception>
    /// <exception cref="DownloadException">It cannot be had now.</exception>
    public async Task<(string Path, IDisposable? Lease)> FileAsync(string uri, CancellationToken cancellationToken)
    {
        if (!StorageUri.IsRemote(uri))
            return (StorageUri.ToPath(uri), null);
        var model = await FetchAsync(uri, null, new LoadingProgress(), cancellationToken);
        if (model.Manifest.Files is [var only])
            return (Path.Combine(model.Folder, only.Path), model);
        model.Dispose();
        throw new StorageException($"'{uri}' holds {model.Manifest.Files.Count} files; name one of them.");
    }

    public void Dispose()
    {
        lock (gate)
            kept.ForEach(model => model.Dispose());
    }

    private async Task<CachedModel> FetchAsync(string uri, string? revision, LoadingProgress progress, CancellationToken cancellationToken)
    {
        using var source = RemoteSources.Create(uri, revision, environment, time);
        string name = revision is null ? uri : $"{uri} {revision}";
        progress.Resolving();
        try
        {
            var listing = await Retries.ForTransfers(time, options.FirstRetry, 2).ExecuteAsync(async token => await source.ListAsync(token), cancellationToken);
            return await Cache().GetAsync(name, listing, source, progress, cancellationToken);
        }
        catch (DownloadException e) when (e.IsRetryable)
        {
            // A server that is away does not keep a model from starting that is here; one that refuses does.
            if (await Cache().RecallAsync(name, cancellationToken) is not { } recalled)
                throw;
            Log.ServedFromCache(log, StorageUri.WithoutQuery(uri), e.Message);
            return recalled;
        }
    }

    private ModelCache Cache()
    {
        lock (gate)
            return cache ??= new ModelCache(new CacheLayout(options.CacheFolder), options.MaxBytes, time, log);
    }

    private string Keep(CachedModel model)
    {
        lock (gate)
            kept.Add(model);
        return RootOf(model);
    }

    /// <summary>Archives and images often hold one folder and everything in it.</summary>
    private static string RootOf(CachedModel model)
    {
        string folder = model.Folder;
        while (Directory.GetFiles(folder).Length == 0 && Directory.GetDirectories(folder) is [var only])
            folder = only;
        return folder;
    }
}
