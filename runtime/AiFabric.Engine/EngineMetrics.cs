using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;

namespace AiFabric.Engine;

/// <summary>What an engine counts. Written by the engine's thread, read by any; the worker exports it under the names in the comments.</summary>
public sealed class EngineMetrics
{
    private static readonly double[] LatencyBounds = [.001, .002, .005, .01, .02, .03, .04, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 10, 30, 60];

    private readonly EngineCounter[] finished = [.. Enum.GetValues<FinishReason>().Select(_ => new EngineCounter())];

    /// <summary><c>aifabric_engine_iterations_total</c>.</summary>
    public EngineCounter Iterations { get; } = new();

    /// <summary><c>aifabric_engine_coserved_iterations_total</c>: iterations whose one forward pass carried inference and finetuning tokens.</summary>
    public EngineCounter CoServedIterations { get; } = new();

    /// <summary><c>aifabric_engine_failed_iterations_total</c>.</summary>
    public EngineCounter FailedIterations { get; } = new();

    /// <summary><c>vllm:prompt_tokens_total</c>: prompt tokens computed, those of preempted sequences again.</summary>
    public EngineCounter PromptTokens { get; } = new();

    /// <summary><c>vllm:generation_tokens_total</c>.</summary>
    public EngineCounter GenerationTokens { get; } = new();

    /// <summary><c>aifabric_engine_mirrored_requests_total</c>: ended copies of requests. They are in no other count of requests, nor in latencies or the objectives.</summary>
    public EngineCounter Copies { get; } = new();

    /// <summary><c>aifabric_engine_mirrored_tokens_total</c>: tokens generated for copies.</summary>
    public EngineCounter CopyTokens { get; } = new();

    /// <summary><c>vllm:num_preemptions_total</c>.</summary>
    public EngineCounter Preemptions { get; } = new();

    /// <summary><c>vllm:spec_decode_num_drafts_total</c>: how often tokens of a request were guessed.</summary>
    public EngineCounter Drafts { get; } = new();

    /// <summary><c>vllm:spec_decode_num_draft_tokens_total</c>.</summary>
    public EngineCounter DraftTokens { get; } = new();

    /// <summary><c>vllm:spec_decode_num_accepted_tokens_total</c>: guesses that were right.</summary>
    public EngineCounter AcceptedDraftTokens { get; } = new();

    /// <summary><c>vllm:prefix_cache_queries_total</c>, in tokens.</summary>
    public EngineCounter PrefixQueryTokens { get; } = new();

    /// <summary><c>vllm:prefix_cache_hits_total</c>, in tokens.</summary>
    public EngineCounter PrefixHitTokens { get; } = new();

    /// <summary><c>aifabric_engine_training_forward_tokens_total</c>.</summary>
    public EngineCounter TrainingForwardTokens { get; } = new();

    /// <summary><c>aifabric_engine_training_backward_tokens_total</c>.</summary>
    public EngineCounter TrainingBackwardTokens { get; } = new();

    /// <summary><c>aifabric_engine_training_faults_total</c>: training sessions that an exception took out of the loop.</summary>
    public EngineCounter TrainingFaults { get; } = new();

    /// <summary><c>aifabric_engine_iteration_seconds</c>: forward pass and backward slice.</summary>
    public EngineHistogram IterationSeconds { get; } = new(LatencyBounds);

    /// <summary><c>vllm:time_to_first_token_seconds</c>.</summary>
    public EngineHistogram TimeToFirstTokenSeconds { get; } = new(LatencyBounds);

    /// <summary><c>vllm:inter_token_latency_seconds</c>: from one token of a request to its next.</summary>
    public EngineHistogram InterTokenSeconds { get; } = new(LatencyBounds);

    /// <summary><c>vllm:request_queue_time_seconds</c>.</summary>
    public EngineHistogram QueueSeconds { get; } = new(LatencyBounds);

    /// <summary><c>vllm:e2e_request_latency_seconds</c>.</summary>
    public EngineHistogram RequestSeconds { get; } = new(LatencyBounds);

    /// <summary><c>vllm:request_success_total{finished_reason}</c>; errors and cancellations are counted too.</summary>
    public EngineCounter Finished(FinishReason reason) => finished[(int)reason];

    /// <summary>Counts an iteration.</summary>
    internal void Count(Batch batch, BatchOutcome outcome)
    {
        Iterations.Add(1);
        if (batch.HasInference && outcome.TrainingForwardTokens > 0)
            CoServedIterations.Add(1);
        PromptTokens.Add(batch.PromptTokens);
        Preemptions.Add(batch.Preempted);
        Drafts.Add(batch.DraftRows);
        DraftTokens.Add(batch.DraftTokens);
        PrefixQueryTokens.Add(batch.PrefixQueryTokens);
        PrefixHitTokens.Add(batch.PrefixHitTokens);
        TrainingForwardTokens.Add(outcome.TrainingForwardTokens);
        TrainingBackwardTokens.Add(outcome.TrainingBackwardTokens);
        IterationSeconds.Observe(outcome.Duration.TotalSeconds);
    }
}

/// <summary>A number that only grows. Thread safe.</summary>
public sealed class EngineCounter
{
    private long value;

    public long Value => Interlocked.Read(ref value);

    public void Add(long amount)
    {
        if (amount > 0)
            Interlocked.Add(ref value, amount);
    }
}

/// <summary>Observations in buckets. Written by one thread, read by any.</summary>
/// <param name="bounds">Upper bounds of the buckets, ascending; one more bucket has none.</param>
public sealed class EngineHistogram(double[] bounds)
{
    private readonly Lock gate = new();
    private readonly long[] counts = new long[bounds.Length + 1];
    private double sum;

    /// <summary>Called after each observation on the engine's thread, with the value: lets an exporter keep its own histogram. Must be quick.</summary>
    public Action<double>? Observed { get; set; }

    public void Observe(double value)
    {
        int bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket])
            bucket++;
        lock (gate)
        {
            counts[bucket]++;
            sum += value;
        }
        Observed?.Invoke(value);
    }

    /// <summary>A copy of the state.</summary>
    public HistogramSnapshot Read()
    {
        lock (gate)
        {
            return new HistogramSnapshot(bounds, [.. counts], sum);
        }
    }
}

/// <summary>A histogram at one moment.</summary>
/// <param name="Bounds">Upper bounds of the buckets.</param>
/// <param name="Counts">Observations per bucket, not cumulated; one more than bounds.</param>
/// <param name="Sum">Sum of all observations.</param>
public sealed record HistogramSnapshot(IReadOnlyList<double> Bounds, IReadOnlyList<long> Counts, double Sum);
