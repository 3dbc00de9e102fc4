using Prometheus;

namespace AiFabric.Operator;

/// <summary>All metrics of the operator beside those of the controller runtime.</summary>
internal sealed class OperatorMetrics
{
    /// <param name="registry">Where the metrics are collected.</param>
    public OperatorMetrics(CollectorRegistry registry)
    {
        MetricFactory factory = Metrics.WithCustomRegistry(registry);
        WorkerRequests = factory.CreateCounter(
            "aifabric_operator_worker_requests_total", "Requests to workers' control ports.", "method", "outcome");
        GatewayRequests = factory.CreateCounter(
            "aifabric_operator_gateway_requests_total", "Questions to gateways about their routes.", "outcome");
        StatusWrites = factory.CreateCounter("aifabric_operator_status_writes_total", "Statuses written.", "kind");
        ObjectWrites = factory.CreateCounter("aifabric_operator_object_writes_total", "Owned objects applied.", "kind");
        TrainingMoves = factory.CreateCounter(
            "aifabric_operator_training_moves_total", "Training sessions started on another replica than before.");
        Reviews = factory.CreateCounter("aifabric_operator_admission_reviews_total", "Admission reviews answered.", "path", "resource", "outcome");
        CertificateExpiry = factory.CreateGauge(
            "aifabric_operator_webhook_certificate_expiry_timestamp_seconds", "When the webhooks' serving certificate expires, Unix time; 0 without one.");
    }

    public Counter WorkerRequests { get; }

    public Counter GatewayRequests { get; }

    public Counter StatusWrites { get; }

    public Counter ObjectWrites { get; }

    public Counter TrainingMoves { get; }

    public Counter Reviews { get; }

    public Gauge CertificateExpiry { get; }
}
