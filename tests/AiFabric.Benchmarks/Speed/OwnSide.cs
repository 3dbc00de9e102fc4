using System.Diagnostics;
using AiFabric.Engine;
using AiFabric.Engine.Requests;
using Microsoft.Extensions.Logging.Abstractions;

namespace AiFabric.Benchmarks.Speed;

/// <summary>The engine in this process, as the worker runs it: scheduler, cache, sampling and channels included.</summary>
internal sealed class OwnSide : IAsyncDisposable
{
    private readonly LlmEngine engine;

    public OwnSide(ModelFiles model, SpeedFormat format, SpeedOptions options)
    {
        var settings = new EngineOptions
        {
            ModelFolder = model.Folder,
            Type = format.Type,
            Quantization = format.Quantization,
            Device = options.Device,
            Threads = options.Threads,
            KvBlocks = options.KvBlocks,
            MaxBatchTokens = options.MaxBatchTokens,
        };
        engine = LlmEngine.Load(settings, TimeProvider.System, NullLoggerFactory.Instance);
    }

    /// <summary>Prompt tokens per second until the first token is there.</summary>
    public async Task<double> PrefillAsync(int[] prompt)
    {
        long start = Stopwatch.GetTimestamp();
        using var generation = engine.Submit(Request(prompt, 1));
        await foreach (var _ in generation.Events.ReadAllAsync())
            continue;
        return prompt.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Tokens per second while all sequences decode.</summary>
    public async Task<double> DecodeAsync(int[][] prompts, int steps)
    {
        // Two more than are counted: the first comes from the prompt, and the last may come while others have ended.
        long[][] times = await Task.WhenAll(prompts.Select(prompt => Task.Run(() => TimesAsync(prompt, steps + 2))));
        return Rates.WhileAllDecode(times);
    }

    public ValueTask DisposeAsync() => engine.DisposeAsync();

    private async Task<long[]> TimesAsync(int[] prompt, int tokens)
    {
        using var generation = engine.Submit(Request(prompt, tokens));
        var times = new List<long>(tokens);
        await foreach (var next in generation.Events.ReadAllAsync())
        {
            if (next.Token is null)
                throw new BenchException($"a request ended early: {next.Finish} {next.Error}");
            times.Add(Stopwatch.GetTimestamp());
        }
        return [.. times];
    }

    private static GenerationRequest Request(int[] prompt, int tokens) =>
        new() { PromptTokens = prompt, MaxTokens = tokens, Sampling = new SamplingParameters { Temperature = 0 } };
}
