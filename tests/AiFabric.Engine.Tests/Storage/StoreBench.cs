using AiFabric.Protocol.Control;
using AiFabric.Worker.Storage;
using AiFabric.Worker.Storage.Cache;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace AiFabric.Engine.Tests.Storage;

/// <summary>Stores over one cache folder, with the environment they see.</summary>
internal sealed class StoreBench : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly List<ModelStore> stores = [];

    public Dictionary<string, string> Environment { get; } = [];

    public string CacheFolder => folder.File("cache");

    public long? MaxBytes { get; set; }

    public LoadingProgress Progress { get; } = new();

    public ILogger Log { get; set; } = NullLogger.Instance;

    /// <summary>A store, as another worker of the same node has one.</summary>
    public ModelStore NewStore(string? cacheFolder = null)
    {
        var store = new ModelStore(
            new ModelStoreOptions(cacheFolder ?? CacheFolder, MaxBytes, TimeSpan.FromMilliseconds(20)), Environment.GetValueOrDefault, TimeProvider.System, Log);
        stores.Add(store);
        return store;
    }

    public Task<string> DownloadAsync(string uri, string? revision = null, LoadingProgress? progress = null) =>
        NewStore().DownloadModelAsync(uri, revision, progress ?? Progress, CancellationToken.None);

    /// <summary>Waits until a download says that it failed, and why.</summary>
    public async Task<string> FailureAsync(LoadingProgress? progress = null)
    {
        var shown = progress ?? Progress;
        await Worker.RunningWorker.EventuallyAsync(() => Task.FromResult(shown.Current.State == LoadingState.Failed), "a failed download");
        return shown.Current.Message!; // Failed has one.
    }

    /// <summary>Asserts that two folders hold the same of the files that <paramref name="original"/> has and a worker reads.</summary>
    public static void AssertSame(string original, string downloaded)
    {
        foreach (string file in Directory.GetFiles(original))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(downloaded, Path.GetFileName(file))));
    }

    public IReadOnlyList<string> CachedKeys => [.. Directory.GetDirectories(new CacheLayout(CacheFolder).Models).Select(path => Path.GetFileName(path))];

    public void Dispose()
    {
        stores.ForEach(store => store.Dispose());
        folder.Dispose();
    }
}
