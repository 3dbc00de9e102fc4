using System.Diagnostics;
using AiFabric.Benchmarks.Machine;

namespace AiFabric.Benchmarks.Scale;

/// <summary>Runs the sizes one after another, each on a control plane of its own.</summary>
internal static class ScaleBench
{
    /// <exception cref="BenchException">A part did not start, or a size was not ready within its limit.</exception>
    public static async Task<ScaleReport> RunAsync(
        ScaleOptions options, IReadOnlyList<ScaleSize> sizes, Action<string> tell, CancellationToken cancellationToken)
    {
        var machine = MachineInfo.Read();
        DateTimeOffset started = TimeProvider.System.GetUtcNow();
        var clock = Stopwatch.StartNew();
        var figures = new List<SizeFigures>();
        foreach (ScaleSize size in sizes)
        {
            tell($"{size.Models} models, {size.Jobs} jobs: starting a control plane");
            await using ScaleRun run = await ScaleRun.StartAsync(options, size, tell, cancellationToken);
            figures.Add(await run.MeasureAsync(cancellationToken));
        }
        return new ScaleReport { Started = started, Machine = machine, TotalSeconds = Math.Round(clock.Elapsed.TotalSeconds, 1), Sizes = figures };
    }
}
