using AiFabric.Operator.Webhooks.Certificates;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace AiFabric.Operator.Hosting;

/// <summary>Healthy once the webhooks' port is open and has a certificate to serve that is valid now.</summary>
internal sealed class WebhooksReady(ServedCertificate served, IHostApplicationLifetime lifetime, TimeProvider time) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        string? problem = (lifetime.ApplicationStarted.IsCancellationRequested, served.Ring) switch
        {
            (false, _) => "the webhooks' port is not open yet",
            (_, null) => $"no certificate for the webhooks yet{Because(served.Problem)}",
            (_, { } ring) when ring.Serving.Until <= time.GetUtcNow() => $"the webhooks' certificate expired{Because(served.Problem)}",
            _ => null,
        };
        return Task.FromResult(problem is null ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy(problem));
    }

    private static string Because(string? problem) => problem is null ? string.Empty : $": {problem}";
}
