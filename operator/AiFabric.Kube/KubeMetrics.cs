using Prometheus;

namespace AiFabric.Kube;

/// <summary>All metrics of the controller runtime, under the names that controller-runtime and client-go made known.</summary>
public sealed class KubeMetrics
{
    // Workqueue: 10 ns to 10 s would be client-go's; below a millisecond nothing here is worth telling apart.
    private static readonly double[] QueueSeconds = [.001, .005, .01, .05, .1, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 1000];
    private static readonly double[] ReconcileSeconds = [.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60];

    /// <param name="registry">Where the metrics are collected; asking twice for one registry shares them.</param>
    public KubeMetrics(CollectorRegistry registry)
    {
        MetricFactory factory = Metrics.WithCustomRegistry(registry);
        ReconcileTotal = factory.CreateCounter(
            "controller_runtime_reconcile_total", "Reconciliations by result: success, error, requeue, requeue_after.", "controller", "result");
        ReconcileErrors = factory.CreateCounter(
            "controller_runtime_reconcile_errors_total", "Reconciliations that failed.", "controller");
        ReconcileTime = factory.CreateHistogram(
            "controller_runtime_reconcile_time_seconds", "Duration of a reconciliation.", ["controller"], Buckets(ReconcileSeconds));
        ActiveWorkers = factory.CreateGauge(
            "controller_runtime_active_workers", "Workers now busy with a reconciliation.", "controller");
        MaxWorkers = factory.CreateGauge(
            "controller_runtime_max_concurrent_reconciles", "Workers of a controller.", "controller");
        QueueDepth = factory.CreateGauge("workqueue_depth", "Keys waiting to be worked on.", "name");
        QueueAdds = factory.CreateCounter("workqueue_adds_total", "Keys added.", "name");
        QueueDuration = factory.CreateHistogram(
            "workqueue_queue_duration_seconds", "Time a key waits before work on it starts.", ["name"], Buckets(QueueSeconds));
        WorkDuration = factory.CreateHistogram(
            "workqueue_work_duration_seconds", "Time the work on a key takes.", ["name"], Buckets(QueueSeconds));
        QueueRetries = factory.CreateCounter("workqueue_retries_total", "Keys added again after a failure.", "name");
        LeaderElectionMaster = factory.CreateGauge(
            "leader_election_master_status", "1 while this process holds the lease.", "name");
        RestClientRequests = factory.CreateCounter(
            "rest_client_requests_total", "Requests to the API server by status code (<error> without an answer) and method.", "code", "method");
    }

    public Counter ReconcileTotal { get; }

    public Counter ReconcileErrors { get; }

    public Histogram ReconcileTime { get; }

    public Gauge ActiveWorkers { get; }

    public Gauge MaxWorkers { get; }

    public Gauge QueueDepth { get; }

    public Counter QueueAdds { get; }

    public Histogram QueueDuration { get; }

    public Histogram WorkDuration { get; }

    public Counter QueueRetries { get; }

    public Gauge LeaderElectionMaster { get; }

    public Counter RestClientRequests { get; }

    private static HistogramConfiguration Buckets(double[] bounds) => new() { Buckets = bounds };
}
