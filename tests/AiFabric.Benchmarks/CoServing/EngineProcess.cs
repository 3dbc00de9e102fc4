using System.Diagnostics;
using System.Text.Json;
using AiFabric.Benchmarks.Verbs;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>An engine in a process of its own, which ends with this.</summary>
internal sealed class EngineProcess : IDisposable
{
    private readonly Process process;
    private readonly CpuQuota? quota;

    /// <param name="plan">What it does.</param>
    /// <param name="percent">Percent of the machine's CPU it may use; null for all.</param>
    /// <exception cref="BenchException">The quota cannot be set.</exception>
    public EngineProcess(EnginePlan plan, int? percent)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [CoServeEngineVerb.Name, JsonSerializer.Serialize(plan)]) // A program of its own has a path.
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        process = Process.Start(start) ?? throw new BenchException("the engine's process could not be started");
        quota = percent is { } share ? CpuQuota.Set(process.Id, share) : null;
    }

    /// <summary>Waits until the model is loaded and warm.</summary>
    /// <exception cref="BenchException">The process ended before.</exception>
    public async Task ReadyAsync(CancellationToken cancellationToken)
    {
        if (await process.StandardOutput.ReadLineAsync(cancellationToken) != EngineRun.Ready)
            throw new BenchException("an engine's process ended before it was ready; its message is above");
    }

    /// <summary>Has it begin.</summary>
    public Task GoAsync() => process.StandardInput.WriteLineAsync("go");

    /// <summary>Waits for what it measured.</summary>
    /// <exception cref="BenchException">The process ended without.</exception>
    public async Task<T> ResultAsync<T>(CancellationToken cancellationToken)
    {
        string line = await process.StandardOutput.ReadLineAsync(cancellationToken)
            ?? throw new BenchException("an engine's process ended without a result; its message is above");
        await process.WaitForExitAsync(cancellationToken);
        return JsonSerializer.Deserialize<T>(line) ?? throw new BenchException("an engine's process gave no result");
    }

    public void Dispose()
    {
        if (!process.HasExited)
            process.Kill();
        process.WaitForExit();
        process.Dispose();
        quota?.Dispose();
    }
}
