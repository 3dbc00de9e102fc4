using System.Diagnostics;
using AiFabric.Benchmarks.Gpu;
using AiFabric.Benchmarks.Speed;
using AiFabric.Engine;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Microsoft.Extensions.Logging;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>One engine that replays requests, finetunes, or both. Runs in a process of its own.</summary>
internal sealed class EngineRun : IAsyncDisposable
{
    /// <summary>What a process says when it can begin.</summary>
    public const string Ready = "ready";

    // Requests and finetuning run so long before anything counts: the engine then knows what things cost, and requests are under way.
    private static readonly TimeSpan FirstWindows = TimeSpan.FromSeconds(5);
    internal static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SampleInterval = TimeSpan.FromMilliseconds(100);

    // What fails inside is not to be guessed from figures. The standard output is the benchmark's.
    private readonly ILoggerFactory logs = LoggerFactory.Create(logging => logging
        .SetMinimumLevel(LogLevel.Warning).AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace));

    private readonly EnginePlan plan;
    private readonly LlmEngine engine;
    private readonly List<(long At, IterationFigures Figures)> iterations = [];

    public EngineRun(EnginePlan plan)
    {
        this.plan = plan;
        var model = plan.Model switch
        {
            "demo-5m" => ModelFiles.Demo(plan.Repository),
            "random-100m" => ModelFiles.Random(plan.Repository),
            _ => GpuShape.Measured.Single(shape => shape.Name == plan.Model).Files(plan.Repository, plan.Device),
        };
        var format = SpeedFormat.All.First(format => format.Name == plan.Format);
        engine = LlmEngine.Load(
            new EngineOptions
            {
                ModelFolder = model.Folder,
                Type = format.Type,
                Quantization = format.Quantization,
                Device = plan.Device,
                Threads = plan.Threads,
                PrefixCaching = false,
                TpotObjective = plan is { Infers: true, TpotMilliseconds: { } tpot } ? TimeSpan.FromMilliseconds(tpot) : null,
                TtftObjective = plan.Infers ? TimeSpan.FromMilliseconds(plan.TtftMilliseconds) : null,
                LatencyFolder = plan is { Infers: true, Finetunes: true } ? Path.Combine(plan.Repository, "artifacts", "bench", "latency", Kind(plan)) : null,
                MaxFinetuneTokensPerIteration = 512,
                MaxQueuedRequests = 1 << 16, // Nobody is turned away: who waits too long misses the objective.
                MaxBatchTokens = plan.Device == "cuda" ? 2048 : 512,
                Observer = Observe,
                Temporal = plan.TemporalIterations is { } iterations ? new TemporalSharing(iterations, plan.IsDynamic) : null,
            },
            TimeProvider.System, logs);
    }

    public int Vocabulary => engine.Config.VocabularySize;

    public Task WarmAsync() => engine.WarmUpAsync();

    /// <summary>Carries the plan out.</summary>
    public async Task<EngineFigures> MeasureAsync()
    {
        using var finetuning = plan.Finetunes ? new FinetuneLoad(engine) : null;
        if (plan is { Infers: true, Finetunes: true })
            await Task.Delay(FirstWindows);
        var warm = plan.Infers ? Arrivals(plan.Rate, _ => plan.Load, WarmUp, plan.Seed + 1) : [];
        var warming = ReplayAsync(warm);
        await Task.Delay(WarmUp);
        var span = TimeSpan.FromSeconds(plan.Seconds);
        long start = Stopwatch.GetTimestamp();
        (long shared, long count) = (engine.Metrics.CoServedIterations.Value, engine.Metrics.Iterations.Value);
        var replay = ReplayAsync(plan.Infers ? Arrivals(plan.Rate, plan.LoadAt, span, plan.Seed) : []);
        var samples = await SampleAsync(start, span);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        count = engine.Metrics.Iterations.Value - count;
        shared = engine.Metrics.CoServedIterations.Value - shared;
        var requests = await replay;
        await warming;
        var done = Since(start);
        finetuning?.Check();
        if (finetuning is not null)
            await finetuning.StopAsync(engine);
        return new EngineFigures
        {
            Requests = requests,
            Samples = samples,
            FinetuneTokensPerSecond = IterationFigures.TrainedBetween(done, 0, seconds) / seconds,
            SharedIterations = count == 0 ? 0 : (double)shared / count,
            Iterations = done,
        };
    }

    /// <summary>Replays requests as they arrive and waits for their ends.</summary>
    public async Task<RequestFigures[]> ReplayAsync(IReadOnlyList<Arrival> arrivals)
    {
        long start = Stopwatch.GetTimestamp();
        var answers = new List<Task<RequestFigures>>(arrivals.Count);
        foreach (var arrival in arrivals)
        {
            var wait = arrival.At - Stopwatch.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait);
            answers.Add(AnswerAsync(arrival, start));
        }
        return await Task.WhenAll(answers);
    }

    public List<Arrival> Arrivals(double rate, Func<TimeSpan, double> load, TimeSpan span, int seed) =>
        Workload.Make(plan.Repository, rate, load, span, seed, Vocabulary);

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        logs.Dispose();
    }

    // Systems of other iterations learn other costs.
    private static string Kind(EnginePlan plan) => plan.IsDynamic ? "dynamic" : plan.TemporalIterations is { } turns ? $"temporal{turns}" : "coserving";

    private async Task<RequestFigures> AnswerAsync(Arrival arrival, long start)
    {
        using var generation = engine.Submit(new GenerationRequest
        {
            PromptTokens = arrival.Prompt,
            MaxTokens = arrival.Answer,
            Sampling = new SamplingParameters { Temperature = 0 },
        });
        (double first, double last, int tokens) = (0, 0, 0);
        await foreach (var next in generation.Events.ReadAllAsync())
        {
            if (next.Token is null)
                throw new BenchException($"a request ended early: {next.Finish} {next.Error}");
            last = Stopwatch.GetElapsedTime(start).TotalSeconds;
            first = tokens++ == 0 ? last : first;
        }
        // Waiting for a late timer is the request's too: it was to come then.
        double at = arrival.At.TotalSeconds;
        return new RequestFigures(at, 1000 * (first - at), tokens > 1 ? 1000 * (last - first) / (tokens - 1) : null, last);
    }

    // On the engine's thread.
    private void Observe(Batch batch, BatchOutcome outcome)
    {
        lock (iterations)
            iterations.Add((Stopwatch.GetTimestamp(), IterationFigures.Of(batch, outcome)));
    }

    private List<IterationFigures> Since(long start)
    {
        lock (iterations)
            return [.. iterations.Where(entry => entry.At >= start).Select(entry => entry.Figures with { EndAt = Stopwatch.GetElapsedTime(start, entry.At).TotalSeconds })];
    }

    private async Task<List<Sample>> SampleAsync(long start, TimeSpan span)
    {
        var samples = new List<Sample>();
        while (Stopwatch.GetElapsedTime(start) is var now && now < span)
        {
            samples.Add(new Sample(now.TotalSeconds, engine.CurrentLoad.Running));
            var wait = ((samples.Count * SampleInterval) is var due && due < span ? due : span) - Stopwatch.GetElapsedTime(start);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait);
        }
        return samples;
    }
}
