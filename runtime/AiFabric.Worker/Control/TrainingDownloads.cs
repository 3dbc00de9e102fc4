using AiFabric.Protocol.Control;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Control;

/// <summary>
/// Brings the data of sessions to this machine. A download outlives the request that began it: the operator waits for an answer for a minute, and finds the download further when it asks again.
/// </summary>
internal sealed class TrainingDownloads(ModelStore store)
{
    private readonly Lock gate = new();
    private readonly Dictionary<Key, Download> running = [];
    private bool stopped;

    /// <summary>The request with its data on this machine.</summary>
    /// <exception cref="ApiException">400 naming the field; 503 when the data cannot be had now, or nobody wants them any more.</exception>
    public async Task<FetchedRequest> FetchAsync(string uid, TrainingRequest request, CancellationToken cancellationToken)
    {
        if (StorageUri.IsRemote(request.Dataset.Uri) || (request.Dataset.EvalUri is { } evalUri && StorageUri.IsRemote(evalUri)))
            await BeginAsync(uid, request).WaitAsync(cancellationToken);
        // Now out of the cache. A download keeps nothing in use there after its end: perhaps nobody asks again.
        return await RecipeReader.FetchAsync(request, store, cancellationToken);
    }

    /// <summary>Ends the downloads for a session.</summary>
    public Task DropAsync(string uid) => EndAsync(key => key.Uid == uid);

    /// <summary>Ends all downloads; none is begun from now on.</summary>
    public Task StopAsync()
    {
        lock (gate)
            stopped = true;
        return EndAsync(_ => true);
    }

    private Task BeginAsync(string uid, TrainingRequest request)
    {
        var key = new Key(uid, request.Dataset.Uri, request.Dataset.EvalUri);
        lock (gate)
        {
            if (stopped)
                throw ApiException.ShuttingDown();
            if (!running.TryGetValue(key, out var download))
            {
                var stop = new CancellationTokenSource();
                download = new Download(Task.Run(() => BringAsync(key, request, stop.Token), CancellationToken.None), stop);
                running.Add(key, download);
            }
            return download.Task;
        }
    }

    private async Task BringAsync(Key key, TrainingRequest request, CancellationToken stop)
    {
        try
        {
            using var fetched = await RecipeReader.FetchAsync(request, store, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw new ApiException(503, "The data are not downloaded any more: the job was deleted, or the server is shutting down.", code: "training_cancelled");
        }
        finally
        {
            lock (gate)
                running.Remove(key);
        }
    }

    private async Task EndAsync(Func<Key, bool> which)
    {
        Download[] ending;
        lock (gate)
            ending = [.. running.Where(download => which(download.Key)).Select(download => download.Value)];
        foreach (var download in ending)
            await download.Stop.CancelAsync();
        await Task.WhenAll(ending.Select(download => download.Task)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private readonly record struct Key(string Uid, string Uri, string? EvalUri);

    private sealed record Download(Task Task, CancellationTokenSource Stop);
}
