using AiFabric.Gateway.AsyncRuns;
using AiFabric.Gateway.AsyncRuns.Storage;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Gateway.AsyncRuns;

public sealed class RunStoreTests : IDisposable
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(60));
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-run-store-");
    private readonly CancellationTokenSource _client = new();
    private readonly SqliteDocuments _documents;
    private readonly RunStore _store;

    public RunStoreTests()
    {
        _documents = new SqliteDocuments(_folder.FullName, _time);
        _store = new RunStore(new WatchedDocuments(_documents, key => key == "open" ? _client.CancelAsync() : Task.CompletedTask), Options.Create(new RunOptions()), _time);
    }

    [Fact]
    public async Task A_client_that_leaves_while_its_run_is_added_leaves_no_name_without_a_run()
    {
        RunRecord run = Run();

        Assert.Null(await _store.AddAsync(run, "Hello", _client.Token));

        Assert.True(_client.IsCancellationRequested); // When the name was written.
        Assert.Equal(run.Id, (await _store.FindAsync(run.Id, default))?.Id);
        Assert.Equal("Hello", await _store.ReadInputAsync(run, default));
        Assert.Equal(run.Id, Assert.Single(await _store.OfTenantAsync(run.Tenant, default)).Id);
    }

    [Fact]
    public async Task A_client_that_left_before_leaves_nothing()
    {
        await _client.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _store.AddAsync(Run(), "Hello", _client.Token));

        Assert.Empty(await _store.OpenAsync(default));
    }

    public void Dispose()
    {
        _store.Dispose();
        _documents.Dispose();
        _client.Dispose();
        _folder.Delete(recursive: true);
    }

    private RunRecord Run()
    {
        long now = _time.GetUtcNow().ToUnixTimeSeconds();
        return new RunRecord { Id = "run-1", Tenant = "t", Namespace = "default", Pipeline = "p", CreatedAt = now, DeadlineAt = now + 60, KeepSeconds = 60 };
    }

    /// <summary>Documents whose writes over what was read are told of.</summary>
    private sealed class WatchedDocuments(IDocuments documents, Func<string, Task> written) : IDocuments
    {
        public Task<Document?> ReadAsync(string key, CancellationToken cancellationToken) => documents.ReadAsync(key, cancellationToken);

        public Task<IReadOnlyList<Document?>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken) => documents.ReadAsync(keys, cancellationToken);

        public Task WriteAsync(string key, ReadOnlyMemory<byte> json, TimeSpan? keep, CancellationToken cancellationToken) => documents.WriteAsync(key, json, keep, cancellationToken);

        public async Task<bool> TryWriteAsync(string key, ReadOnlyMemory<byte> json, string? etag, TimeSpan? keep, CancellationToken cancellationToken)
        {
            bool wrote = await documents.TryWriteAsync(key, json, etag, keep, cancellationToken);
            await written(key);
            return wrote;
        }

        public Task DeleteAsync(string key, CancellationToken cancellationToken) => documents.DeleteAsync(key, cancellationToken);
    }
}
