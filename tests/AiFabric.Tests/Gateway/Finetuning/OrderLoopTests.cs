using AiFabric.Crds.FinetuneJobs;
using AiFabric.Gateway;
using AiFabric.Gateway.Finetuning.Orders;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;

namespace AiFabric.Tests.Gateway.Finetuning;

public sealed class OrderLoopTests
{
    [Fact]
    public async Task Orders_that_cannot_be_read_are_tried_again_and_end_nothing()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("aifabric-orders-");
        Directory.CreateDirectory(Path.Combine(folder.FullName, "open"));
        Directory.CreateDirectory(Path.Combine(folder.FullName, "jobs", "ftjob-1"));
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "open", "ftjob-1"), "{}", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "jobs", "ftjob-1", "order.json"), "torn", TestContext.Current.CancellationToken);
        var jobs = new NoJobs();
        var log = new CountingLog();
        using var keeper = new OrderKeeper(new OrderStore(Options.Create(new GatewayOptions { FilesFolder = folder.FullName })), jobs, TimeProvider.System, log);
        await keeper.StartAsync(TestContext.Current.CancellationToken);
        await log.UntilAsync(1);
        jobs.Change();
        await log.UntilAsync(2);
        Assert.False(keeper.ExecuteTask!.IsCompleted); // Started.
        await keeper.StopAsync(TestContext.Current.CancellationToken);
        folder.Delete(recursive: true);
    }

    /// <summary>Counts errors.</summary>
    private sealed class CountingLog : ILogger<OrderKeeper>
    {
        private readonly SemaphoreSlim _errors = new(0);
        private int _seen;

        public async Task UntilAsync(int errors)
        {
            for (; _seen < errors; _seen++)
                Assert.True(await _errors.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken), $"{_seen} errors");
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Error)
                _errors.Release();
        }
    }

    /// <summary>A store without jobs, which tells of a change when it is told to.</summary>
    private sealed class NoJobs : IInformer<FinetuneJob>
    {
        private Action<StoreChange<FinetuneJob>>? _handler;

        public bool HasSynced => true;

        public bool IsServed => true;

        public void Change() => _handler!(new StoreChange<FinetuneJob>(StoreChangeKind.Deleted, new FinetuneJob { Metadata = new V1ObjectMeta { Name = "other" } }));

        public IDisposable Subscribe(Action<StoreChange<FinetuneJob>> handler)
        {
            _handler = handler;
            return new MemoryStream();
        }

        public Task WaitForSyncAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public int Count => 0;

        public FinetuneJob? Get(NamespacedName key) => null;

        public IReadOnlyList<FinetuneJob> List(string? @namespace = null) => [];

        public IReadOnlyList<FinetuneJob> ByIndex(string index, string value) => [];

        public int CountByIndex(string index, string value) => 0;

        public void AddIndex(string name, Func<FinetuneJob, IEnumerable<string>> values)
        {
        }
    }
}
