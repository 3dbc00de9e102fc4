using Prometheus;

namespace AiFabric.Gateway;

/// <summary>All instruments of the gateway. The model label holds only names that exist, so its values are bounded.</summary>
internal static class GatewayMetrics
{
    // Without exemplars: each would write down a trace that mostly nobody keeps, three times a request.
    private static readonly MetricFactory Metrics = WithoutExemplars();

    private static readonly double[] Seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

    public static readonly Gauge Routes = Metrics.CreateGauge("aifabric_gateway_routes", "Worker pods routed to.");

    public static readonly Counter Requests = Metrics.CreateCounter(
        "aifabric_gateway_requests_total", "Requests by model and HTTP status.", ["model", "code"]);

    public static readonly Counter RateLimited = Metrics.CreateCounter(
        "aifabric_gateway_rate_limited_total", "Requests refused because their tenant's budget was spent, by budget: requests, tokens.", ["budget"]);

    public static readonly Gauge InFlight = Metrics.CreateGauge("aifabric_gateway_requests_in_flight", "Requests that have not ended.");

    public static readonly Histogram FirstByte = Metrics.CreateHistogram(
        "aifabric_gateway_time_to_first_byte_seconds", "From arrival to the first byte sent to the client.", new HistogramConfiguration { Buckets = Seconds });

    public static readonly Histogram Duration = Metrics.CreateHistogram(
        "aifabric_gateway_request_duration_seconds", "From arrival to the end of the answer.", new HistogramConfiguration { Buckets = Seconds });

    public static readonly Gauge Held = Metrics.CreateGauge("aifabric_gateway_requests_held", "Requests that wait for a worker of their model.");

    public static readonly Gauge HeldBytes = Metrics.CreateGauge("aifabric_gateway_held_bytes", "Bytes of the bodies of waiting requests.");

    public static readonly Counter HeldTotal = Metrics.CreateCounter(
        "aifabric_gateway_requests_held_total",
        "Requests that had to wait, by model and end: Released, Full (refused at once), TimedOut, Stopping, ClientGone.", ["model", "end"]);

    public static readonly Histogram HeldSeconds = Metrics.CreateHistogram(
        "aifabric_gateway_hold_seconds", "How long requests waited for a worker.", new HistogramConfiguration { Buckets = Seconds });

    public static readonly Counter Retries = Metrics.CreateCounter(
        "aifabric_gateway_retries_total", "Attempts at another worker before the first byte.");

    public static readonly Counter StreamsLost = Metrics.CreateCounter(
        "aifabric_gateway_streams_lost_total", "Streams ended by an error event because their worker was lost.");

    public static readonly Counter ClientsGone = Metrics.CreateCounter(
        "aifabric_gateway_clients_gone_total", "Requests whose client left before the end.");

    public static readonly Counter CanaryRequests = Metrics.CreateCounter(
        "aifabric_gateway_canary_requests_total", "Requests for models with a canary, by who answered and HTTP status.", ["model", "target", "code"]);

    public static readonly Histogram CanaryFirstByte = Metrics.CreateHistogram(
        "aifabric_gateway_canary_time_to_first_byte_seconds", "From arrival to the first byte, of clients' requests for models with a canary, by who answered.",
        new HistogramConfiguration { Buckets = Seconds, LabelNames = ["model", "target"] });

    public static readonly Counter CanaryFallbacks = Metrics.CreateCounter(
        "aifabric_gateway_canary_fallbacks_total", "Requests that were the canary's and that the model itself was asked for, by reason: NotReady, Failed.", ["model", "target", "reason"]);

    public static readonly Counter Mirrored = Metrics.CreateCounter(
        "aifabric_gateway_mirrored_requests_total",
        "Copies of requests for mirrors, by end: Answered, Refused, Lost, TimedOut, Stopped; not sent: Dropped (too many under way), NotReady.", ["model", "target", "end"]);

    public static readonly Gauge MirrorsInFlight = Metrics.CreateGauge("aifabric_gateway_mirrors_in_flight", "Copies that have not ended.");

    public static readonly Histogram MirrorFirstByte = Metrics.CreateHistogram(
        "aifabric_gateway_mirror_time_to_first_byte_seconds", "From the sending of a copy to the first byte of its answer.",
        new HistogramConfiguration { Buckets = Seconds, LabelNames = ["model", "target"] });

    public static readonly Histogram MirrorDuration = Metrics.CreateHistogram(
        "aifabric_gateway_mirror_duration_seconds", "From the sending of a copy to its end.",
        new HistogramConfiguration { Buckets = Seconds, LabelNames = ["model", "target"] });

    public static readonly Gauge RunsOpen = Metrics.CreateGauge(
        "aifabric_gateway_runs_open", "Asynchronous pipeline runs of all replicas that have not ended, as this one saw them last.");

    public static readonly Gauge RunsInProgress = Metrics.CreateGauge("aifabric_gateway_runs_in_progress", "Asynchronous pipeline runs that this replica works on.");

    public static readonly Counter RunsEnded = Metrics.CreateCounter(
        "aifabric_gateway_runs_ended_total", "Asynchronous pipeline runs that this replica ended, by status.", ["status"]);

    private static MetricFactory WithoutExemplars()
    {
        MetricFactory factory = Prometheus.Metrics.WithCustomRegistry(Prometheus.Metrics.DefaultRegistry);
        factory.ExemplarBehavior = ExemplarBehavior.NoExemplars();
        return factory;
    }
}
