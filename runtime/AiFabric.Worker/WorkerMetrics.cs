using System.Text;
using AiFabric.Engine;
using AiFabric.Engine.Requests;
using AiFabric.Worker.Backend;
using Prometheus;

namespace AiFabric.Worker;

/// <summary>All metrics of the worker: vLLM's names where the meaning is the same, <c>aifabric_engine_*</c> for the rest.</summary>
/// <remarks>prometheus-net refuses colons in names, so that vLLM's are kept as <c>vllm_…</c> and renamed in the text that is sent.</remarks>
internal sealed class WorkerMetrics
{
    private static readonly double[] LatencyBounds = [.001, .002, .005, .01, .02, .03, .04, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 10, 30, 60];

    private readonly CollectorRegistry registry = Metrics.NewCustomRegistry();
    private readonly MetricFactory factory;
    private readonly List<(ICounter Counter, Func<EngineMetrics, EngineCounter> Source)> counters = [];
    private readonly List<(IHistogram Histogram, Func<EngineMetrics, EngineHistogram> Source)> histograms = [];
    private readonly Gauge running;
    private readonly Gauge waiting;
    private readonly Gauge cacheUsage;
    private readonly Gauge cacheUsageOldName;
    private readonly Gauge tpotAttainment;
    private readonly Histogram timePerToken;
    private readonly Counter httpRequests;
    private readonly Counter firstTokens;
    private readonly TimeSpan? ttftObjective;

    public WorkerMetrics(string model, TimeSpan? ttftObjective)
    {
        this.ttftObjective = ttftObjective;
        registry.SetStaticLabels(new Dictionary<string, string> { ["model_name"] = model });
        factory = Metrics.WithCustomRegistry(registry);
        running = factory.CreateGauge("vllm_num_requests_running", "Requests that decode or prefill.");
        waiting = factory.CreateGauge("vllm_num_requests_waiting", "Requests that wait for admission.");
        cacheUsage = factory.CreateGauge("vllm_kv_cache_usage_perc", "Share of key-value blocks that running requests hold; 1 is full.");
        cacheUsageOldName = factory.CreateGauge("vllm_gpu_cache_usage_perc", "The same under vLLM's older name.");
        tpotAttainment = factory.CreateGauge("aifabric_engine_tpot_attainment_ratio", "Share of the last minute's tokens within the TPOT objective; NaN without objective or traffic.");
        timePerToken = factory.CreateHistogram("vllm_request_time_per_output_token_seconds", "Mean time per token after the first, per request.", Buckets());
        httpRequests = factory.CreateCounter("aifabric_worker_http_requests_total", "Answered requests.", "port", "status");
        firstTokens = factory.CreateCounter("aifabric_worker_first_tokens_total", "First tokens, by whether they kept the TTFT objective.", "within_objective");
        // From the start: while every first token is late, the share of those in time must be 0 and not unknown.
        if (ttftObjective is not null)
            firstTokens.WithLabels("true").Publish();
        AddCounters();
        AddHistograms();
    }

    /// <summary>Takes the engine's observations into histograms from now on.</summary>
    public void Attach(EngineMetrics engine)
    {
        foreach (var group in histograms.GroupBy(h => h.Source(engine)))
        {
            IHistogram[] targets = [.. group.Select(h => h.Histogram)];
            group.Key.Observed = value => Array.ForEach(targets, target => target.Observe(value));
        }
    }

    public void HttpRequest(string port, int status) =>
        httpRequests.WithLabels(port, status.ToString(System.Globalization.CultureInfo.InvariantCulture)).Inc();

    public void FirstToken(TimeSpan after)
    {
        if (ttftObjective is { } objective)
            firstTokens.WithLabels(after <= objective ? "true" : "false").Inc();
    }

    public void TimePerToken(TimeSpan each) => timePerToken.Observe(each.TotalSeconds);

    /// <summary>Takes over the counters and the load of the model.</summary>
    public void Refresh(IModelBackend backend)
    {
        foreach (var (counter, source) in counters)
            counter.IncTo(source(backend.Metrics).Value);
        var load = backend.Load;
        running.Set(load.Running);
        waiting.Set(load.Queued);
        double used = load.TotalBlocks == 0 ? 0 : 1 - ((double)load.FreeBlocks / load.TotalBlocks);
        cacheUsage.Set(used);
        cacheUsageOldName.Set(used);
        tpotAttainment.Set(load.TpotAttainment ?? double.NaN);
    }

    /// <summary>The metrics in Prometheus' text format.</summary>
    public async Task<string> ExportAsync(CancellationToken cancellationToken)
    {
        using var text = new MemoryStream();
        await registry.CollectAndExportAsTextAsync(text, cancellationToken);
        return Rename(Encoding.UTF8.GetString(text.ToArray()));
    }

    /// <summary>Gives vLLM's metrics their colon, at beginnings of lines and in HELP and TYPE.</summary>
    internal static string Rename(string text) => ("\n" + text)
        .Replace("\nvllm_", "\nvllm:", StringComparison.Ordinal)
        .Replace("\n# HELP vllm_", "\n# HELP vllm:", StringComparison.Ordinal)
        .Replace("\n# TYPE vllm_", "\n# TYPE vllm:", StringComparison.Ordinal)[1..];

    private void AddCounters()
    {
        Add("aifabric_engine_iterations_total", "Forward passes.", m => m.Iterations);
        Add("aifabric_engine_coserved_iterations_total", "Forward passes that carried inference and finetuning tokens at once.", m => m.CoServedIterations);
        Add("aifabric_engine_failed_iterations_total", "Forward passes that threw.", m => m.FailedIterations);
        Add("aifabric_engine_training_faults_total", "Training sessions that an exception took out of the loop.", m => m.TrainingFaults);
        Add("vllm_prompt_tokens_total", "Prompt tokens computed.", m => m.PromptTokens);
        Add("vllm_generation_tokens_total", "Tokens generated.", m => m.GenerationTokens);
        Add("aifabric_engine_mirrored_requests_total", "Ended copies of requests, which are in no other count of requests.", m => m.Copies);
        Add("aifabric_engine_mirrored_tokens_total", "Tokens generated for copies of requests.", m => m.CopyTokens);
        Add("vllm_num_preemptions_total", "Requests put back for want of blocks.", m => m.Preemptions);
        Add("vllm_spec_decode_num_drafts_total", "Times that tokens of a request were guessed.", m => m.Drafts);
        Add("vllm_spec_decode_num_draft_tokens_total", "Guessed tokens.", m => m.DraftTokens);
        Add("vllm_spec_decode_num_accepted_tokens_total", "Guessed tokens that were right.", m => m.AcceptedDraftTokens);
        Add("vllm_prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.", m => m.PrefixQueryTokens);
        Add("vllm_prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", m => m.PrefixHitTokens);
        var trained = factory.CreateCounter("aifabric_engine_finetune_tokens_total", "Finetuning tokens.", "phase");
        counters.Add((trained.WithLabels("forward"), m => m.TrainingForwardTokens));
        counters.Add((trained.WithLabels("backward"), m => m.TrainingBackwardTokens));
        var finished = factory.CreateCounter("vllm_request_success_total", "Ended sequences.", "finished_reason");
        foreach (var (reason, name) in ((FinishReason, string)[])[(FinishReason.Stop, "stop"), (FinishReason.Length, "length"), (FinishReason.Cancelled, "abort"), (FinishReason.Error, "error")])
            counters.Add((finished.WithLabels(name), m => m.Finished(reason)));
    }

    private void AddHistograms()
    {
        Add("vllm_time_to_first_token_seconds", "From arrival to the first token.", m => m.TimeToFirstTokenSeconds);
        Add("vllm_inter_token_latency_seconds", "From one token of a request to its next.", m => m.InterTokenSeconds);
        Add("vllm_time_per_output_token_seconds", "The same under vLLM's older name.", m => m.InterTokenSeconds);
        Add("vllm_e2e_request_latency_seconds", "From arrival to the end.", m => m.RequestSeconds);
        Add("vllm_request_queue_time_seconds", "From arrival to admission.", m => m.QueueSeconds);
        Add("aifabric_engine_iteration_seconds", "Forward pass and backward slice.", m => m.IterationSeconds);
    }

    private void Add(string name, string help, Func<EngineMetrics, EngineCounter> source) => counters.Add((factory.CreateCounter(name, help), source));

    private void Add(string name, string help, Func<EngineMetrics, EngineHistogram> source) =>
        histograms.Add((factory.CreateHistogram(name, help, Buckets()), source));

    private static HistogramConfiguration Buckets() => new() { Buckets = LatencyBounds };
}
