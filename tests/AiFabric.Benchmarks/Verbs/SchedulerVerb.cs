using System.CommandLine;
using AiFabric.Benchmarks.Scheduling;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

namespace AiFabric.Benchmarks.Verbs;

/// <summary><c>bench scheduler</c>: what a step of the scheduler takes, and that it allocates nothing.</summary>
internal static class SchedulerVerb
{
    public static Command Create()
    {
        var rounds = new Option<int>("--rounds") { Description = "Measurements of a thousand steps each.", DefaultValueFactory = _ => 15 };
        var command = new Command("scheduler", "Time and allocated bytes of a scheduler's step, by BenchmarkDotNet; fails when a step allocates.") { rounds };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(rounds)));
        return command;
    }

    private static int Run(int rounds)
    {
        // In this process: a project generated beside this one would build all of the repository again.
        var job = Job.Default.WithToolchain(InProcessEmitToolchain.Instance).WithInvocationCount(1).WithUnrollFactor(1).WithWarmupCount(3).WithIterationCount(rounds);
        var config = ManualConfig.CreateMinimumViable()
            .AddJob(job)
            .WithOptions(ConfigOptions.DisableLogFile)
            .WithArtifactsPath(Path.Combine("artifacts", "bench", "scheduler"));
        var summary = BenchmarkRunner.Run<SchedulerBenchmark>(config);
        if (summary.HasCriticalValidationErrors || summary.Reports.Length == 0 || summary.Reports.Any(report => !report.Success))
            throw new BenchException("the benchmark did not run; BenchmarkDotNet's output above says why");
        long[] bytes = [.. summary.Reports.Select(report => report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase)
            ?? throw new BenchException("BenchmarkDotNet counted no allocations"))];
        ConsoleLogger.Default.WriteLine($"bytes allocated per step: {string.Join(", ", bytes)}");
        return bytes.All(count => count == 0) ? 0 : 1;
    }
}
