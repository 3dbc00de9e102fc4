using System.Text;
using AiFabric.Gateway.AsyncRuns.Storage;
using Dapr.Client;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway.AsyncRuns;

/// <summary>The contract of the store of runs, held by both of its implementations.</summary>
public sealed class DocumentsTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(60));
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-documents-");
    private FakeDaprSidecar? _sidecar;
    private SqliteDocuments? _sqlite;

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task A_document_is_written_only_over_what_was_read(string kind)
    {
        IDocuments documents = await StartAsync(kind);
        Assert.Null(await documents.ReadAsync("run.a", default));
        Assert.True(await documents.TryWriteAsync("run.a", Json(1), null, null, default));
        Assert.False(await documents.TryWriteAsync("run.a", Json(2), null, null, default)); // There is one now.
        Document first = (await documents.ReadAsync("run.a", default))!;
        Assert.Equal("1", Text(first));
        Assert.True(await documents.TryWriteAsync("run.a", Json(3), first.ETag, null, default));
        Assert.False(await documents.TryWriteAsync("run.a", Json(4), first.ETag, null, default)); // It is another now.
        Document second = (await documents.ReadAsync("run.a", default))!;
        Assert.Equal("3", Text(second));
        Assert.NotEqual(first.ETag, second.ETag);
        await documents.DeleteAsync("run.a", default);
        await documents.DeleteAsync("run.a", default);
        Assert.False(await documents.TryWriteAsync("run.a", Json(5), second.ETag, null, default)); // It is none now.
        Assert.Null(await documents.ReadAsync("run.a", default));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task A_document_made_again_does_not_pass_for_the_one_before(string kind)
    {
        IDocuments documents = await StartAsync(kind);
        await documents.WriteAsync("run.a", Json(1), null, default);
        Document before = (await documents.ReadAsync("run.a", default))!;
        await documents.DeleteAsync("run.a", default);
        await documents.WriteAsync("run.a", Json(1), null, default);
        Assert.False(await documents.TryWriteAsync("run.a", Json(2), before.ETag, null, default));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task Of_many_that_write_over_the_same_one_wins(string kind)
    {
        IDocuments documents = await StartAsync(kind);
        await documents.WriteAsync("open", Json(0), null, default);
        string etag = (await documents.ReadAsync("open", default))!.ETag;
        bool[] won = await Task.WhenAll(Enumerable.Range(1, 32).Select(i => Task.Run(() => documents.TryWriteAsync("open", Json(i), etag, null, default))));
        Assert.Single(won, true);
        Assert.Equal((Array.IndexOf(won, true) + 1).ToString(System.Globalization.CultureInfo.InvariantCulture), Text(await documents.ReadAsync("open", default)));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task Several_are_read_in_the_order_of_their_keys_and_what_is_over_is_gone(string kind)
    {
        IDocuments documents = await StartAsync(kind);
        await documents.WriteAsync("a", Json(1), TimeSpan.FromSeconds(10), default);
        await documents.WriteAsync("b", Json(2), null, default);
        Assert.Equal(["2", null, "1"], (await documents.ReadAsync(["b", "c", "a"], default)).Select(Text));
        _time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(["2", null, null], (await documents.ReadAsync(["b", "c", "a"], default)).Select(Text));
        Assert.True(await documents.TryWriteAsync("a", Json(3), null, null, default)); // What is over is not in the way.
        Assert.Equal("3", Text(await documents.ReadAsync("a", default)));
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task A_text_of_a_million_characters_comes_back_as_it_was(string kind)
    {
        IDocuments documents = await StartAsync(kind);
        byte[] json = Encoding.UTF8.GetBytes($"\"{new string('語', 1 << 20)}\"");
        await documents.WriteAsync("output", json, null, default);
        Assert.Equal(json, (await documents.ReadAsync("output", default))!.Json.ToArray());
    }

    [Fact]
    public async Task Documents_of_SQLite_outlive_the_process_and_are_shared_with_another()
    {
        IDocuments one = await StartAsync("sqlite");
        using var two = new SqliteDocuments(_folder.FullName, _time);
        await one.WriteAsync("run.a", Json(1), null, default);
        Document read = (await two.ReadAsync("run.a", default))!;
        Assert.True(await two.TryWriteAsync("run.a", Json(2), read.ETag, null, default));
        Assert.False(await one.TryWriteAsync("run.a", Json(3), read.ETag, null, default));
        Assert.Equal("2", Text(await one.ReadAsync("run.a", default)));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_written_to_is_named()
    {
        string file = Path.Combine(_folder.FullName, "file");
        await File.WriteAllTextAsync(file, "");
        StorageException thrown = Assert.Throws<StorageException>(() => new SqliteDocuments(file, _time));
        Assert.Contains("Gateway:RunsFolder", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sidecar_that_is_away_slow_or_without_the_component_is_told_apart_from_a_document_that_is_not_there()
    {
        IDocuments documents = await StartAsync("dapr");
        _sidecar!.Before = (_, _) => throw new RpcException(new Status(StatusCode.Unavailable, "no sidecar"));
        StorageException away = await Assert.ThrowsAsync<StorageException>(() => documents.ReadAsync("a", default));
        Assert.Contains("no sidecar", away.Message, StringComparison.Ordinal);

        var never = new TaskCompletionSource();
        var asked = new TaskCompletionSource();
        _sidecar.Before = (_, _) =>
        {
            asked.TrySetResult();
            return never.Task;
        };
        Task<bool> waiting = documents.TryWriteAsync("a", Json(1), null, null, default);
        await asked.Task;
        _time.Advance(Patience);
        StorageException slow = await Assert.ThrowsAsync<StorageException>(() => waiting);
        Assert.Contains("longer than 5 s", slow.Message, StringComparison.Ordinal);

        _sidecar.Before = (_, _) => Task.CompletedTask;
        var other = new DaprDocuments(Client(), "another", Patience, _time);
        StorageException unknown = await Assert.ThrowsAsync<StorageException>(() => other.ReadAsync("a", default));
        Assert.Contains("component another is not configured", unknown.Message, StringComparison.Ordinal);

        Assert.Null(await documents.ReadAsync("a", default)); // The slow write was given up, and its sidecar is well again.
    }

    public async ValueTask DisposeAsync()
    {
        if (_sidecar is not null)
            await _sidecar.DisposeAsync();
        _sqlite?.Dispose();
        _folder.Delete(recursive: true);
    }

    private async Task<IDocuments> StartAsync(string kind)
    {
        if (kind == "sqlite")
            return _sqlite = new SqliteDocuments(_folder.FullName, _time);
        _sidecar = await FakeDaprSidecar.StartAsync(_time);
        return new DaprDocuments(Client(), FakeDaprSidecar.StateStore, Patience, _time);
    }

    private DaprClient Client() => new DaprClientBuilder().UseGrpcEndpoint(_sidecar!.Address.ToString()).Build(); // started before

    private static byte[] Json(int value) => Encoding.UTF8.GetBytes(value.ToString(System.Globalization.CultureInfo.InvariantCulture));

    private static string? Text(Document? document) => document is null ? null : Encoding.UTF8.GetString(document.Json.Span);
}
