using System.Threading.Channels;
using AiFabric.Gateway;
using AiFabric.Gateway.Finetuning.Orders;
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
        var jobs = new JobCache();
        var log = new ErrorLog();
        using var keeper = new OrderKeeper(new OrderStore(Options.Create(new GatewayOptions { FilesFolder = folder.FullName })), jobs, TimeProvider.System, log);
        await keeper.StartAsync(TestContext.Current.CancellationToken);
        Assert.Contains("could not be read", await log.NextAsync(), StringComparison.Ordinal);
        jobs.Change();
        Assert.Contains("could not be read", await log.NextAsync(), StringComparison.Ordinal);
        Assert.False(keeper.ExecuteTask!.IsCompleted); // Started.
        await keeper.StopAsync(TestContext.Current.CancellationToken);
        folder.Delete(recursive: true);
    }

    /// <summary>Hears of errors.</summary>
    private sealed class ErrorLog : ILogger<OrderKeeper>
    {
        private readonly Channel<string> _errors = Channel.CreateUnbounded<string>();

        public async Task<string> NextAsync() => await _errors.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30));

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Error)
                _errors.Writer.TryWrite(formatter(state, exception));
        }
    }
}
