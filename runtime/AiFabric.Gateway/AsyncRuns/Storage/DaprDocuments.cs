using System.Globalization;
using Dapr;
using Dapr.Client;

namespace AiFabric.Gateway.AsyncRuns.Storage;

/// <summary>Documents in a state component of Dapr, through the sidecar.</summary>
/// <remarks>
/// Source: Dapr's state API. First-write concurrency with an ETag writes only over what was read, and without one only where nothing is. Expiry is the component's
/// (<c>ttlInSeconds</c>); one without it keeps documents until somebody deletes them.
/// </remarks>
/// <param name="dapr">The sidecar.</param>
/// <param name="store">Name of the component.</param>
/// <param name="patience">How long a call may take: well below a lease.</param>
/// <param name="time">Clock.</param>
public sealed class DaprDocuments(DaprClient dapr, string store, TimeSpan patience, TimeProvider time) : IDocuments
{
    private static readonly StateOptions FirstWrite = new() { Concurrency = ConcurrencyMode.FirstWrite, Consistency = ConsistencyMode.Strong };
    private static readonly StateOptions LastWrite = new() { Concurrency = ConcurrencyMode.LastWrite, Consistency = ConsistencyMode.Strong };

    public Task<Document?> ReadAsync(string key, CancellationToken cancellationToken) => CallAsync(async token =>
    {
        (ReadOnlyMemory<byte> json, string etag) = await dapr.GetByteStateAndETagAsync(store, key, ConsistencyMode.Strong, cancellationToken: token);
        return json.IsEmpty ? null : new Document(json, etag);
    }, cancellationToken);

    // One by one, several at a time: Dapr's bulk read is eventually consistent.
    public async Task<IReadOnlyList<Document?>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken)
    {
        var documents = new Document?[keys.Count];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, keys.Count), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (index, token) => documents[index] = await ReadAsync(keys[index], token));
        return documents;
    }

    public Task WriteAsync(string key, ReadOnlyMemory<byte> json, TimeSpan? keep, CancellationToken cancellationToken) => CallAsync(async token =>
    {
        await dapr.SaveByteStateAsync(store, key, json, LastWrite, Metadata(keep), token);
        return true;
    }, cancellationToken);

    public Task<bool> TryWriteAsync(string key, ReadOnlyMemory<byte> json, string? etag, TimeSpan? keep, CancellationToken cancellationToken) =>
        CallAsync(token => dapr.TrySaveByteStateAsync(store, key, json, etag ?? "", FirstWrite, Metadata(keep), token), cancellationToken);

    public Task DeleteAsync(string key, CancellationToken cancellationToken) => CallAsync(async token =>
    {
        await dapr.DeleteStateAsync(store, key, LastWrite, cancellationToken: token);
        return true;
    }, cancellationToken);

    private static Dictionary<string, string>? Metadata(TimeSpan? keep) => keep is { } span
        ? new() { ["ttlInSeconds"] = Math.Max(1, (long)Math.Ceiling(span.TotalSeconds)).ToString(CultureInfo.InvariantCulture) }
        : null;

    private async Task<T> CallAsync<T>(Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        using var tooLong = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(tooLong.Token, cancellationToken);
        try
        {
            return await call(either.Token);
        }
        catch (Exception e) when (e is DaprException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            string why = tooLong.IsCancellationRequested ? $"it took longer than {patience.TotalSeconds} s" : e.InnerException?.Message ?? e.Message;
            throw new StorageException($"the Dapr state store '{store}' did not answer: {why}", e);
        }
    }
}
