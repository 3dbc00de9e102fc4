using AiFabric.Kube;
using AiFabric.Operator.Objects;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Webhooks.Certificates;

/// <summary>
/// Makes, keeps and publishes the certificates of the webhooks. Every replica runs it, for every one serves; whoever comes first makes the Secret,
/// and a write on top of another's is a conflict, after which the Secret is read anew.
/// </summary>
internal sealed class CertificateKeeper(
    IKubernetesClient client, ServedCertificate served, IOptions<OperatorOptions> options, CertificateTimes times, TimeProvider time,
    OperatorMetrics metrics, ILogger<CertificateKeeper> logger) : BackgroundService
{
    /// <summary>After a conflict.</summary>
    public static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    /// <summary>While a configuration is not installed, and after a failure.</summary>
    public static readonly TimeSpan Waiting = TimeSpan.FromSeconds(5);

    private readonly WebhookOptions _options = options.Value.Webhooks;
    private readonly WebhookConfigurations _configurations = new(client, options.Value.Webhooks);

    /// <summary>
    /// One round: (1) read the configurations, then the Secret, (2) decide, (3) write the Secret, (4) publish its authorities, (5) serve its
    /// certificate. In this order what is served is trusted before, and a bundle from a Secret that is outdated meets a conflict.
    /// </summary>
    /// <returns>When to come again.</returns>
    /// <exception cref="KubernetesApiException">The server refused.</exception>
    public async Task<TimeSpan> StepAsync(CancellationToken cancellationToken)
    {
        ConfigurationView view = await _configurations.ReadAsync(cancellationToken);
        V1Secret? secret = await client.GetAsync<V1Secret>(_options.SecretName, _options.Namespace, cancellationToken);
        if (!KeyRing.TryRead(secret?.Data, out KeyRing? ring, out string? problem) && secret is not null)
            Log.CertificatesBroken(logger, _options.SecretName, problem);
        bool published = ring is not null && view.Trusts(ring.Authorities[0]);
        CertificateStep step = CertificatePlanner.Plan(ring, published, _options.GetNames(), time.GetUtcNow(), times);
        try
        {
            if (step != CertificateStep.Keep)
            {
                ring = CertificatePlanner.Make(step, ring, Trusted(ring), _options.GetNames(), time.GetUtcNow(), times);
                await WriteAsync(secret, ring, cancellationToken);
                metrics.ObjectWrites.WithLabels("Secret").Inc();
                Log.CertificatesChanged(logger, step, _options.SecretName, ring.Serving.Until);
            }
            // A missing ring was replaced just above.
            if (await _configurations.PublishAsync(view, ring!.Bundle, cancellationToken) is > 0 and var written)
                metrics.ObjectWrites.WithLabels("WebhookConfiguration").Inc(written);
        }
        catch (KubernetesApiException e) when (e.IsConflict || e.IsAlreadyExists)
        {
            return Soon;
        }
        if (served.Serve(ring))
            Log.CertificateServed(logger, ring.Serving.Until);
        metrics.CertificateExpiry.Set(ring.Serving.Until.ToUnixTimeSeconds());
        return view is { Validating: not null, Mutating: not null } ? times.Look : Waiting;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                TimeSpan wait = await StepAsync(stoppingToken);
                served.Problem = null;
                await Task.Delay(wait, time, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
#pragma warning disable CA1031 // The loop's top: whatever went wrong, the next round may go well.
            catch (Exception e)
#pragma warning restore CA1031
            {
                served.Problem = e.Message;
                Log.CertificatesFailed(logger, e, _options.SecretName);
                await Task.Delay(Waiting, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Authorities of which some replica may serve a certificate at this moment.</summary>
    private IReadOnlyList<CertificateFacts> Trusted(KeyRing? ring) => ring?.Authorities ?? served.Ring?.Authorities ?? [];

    private Task<V1Secret> WriteAsync(V1Secret? found, KeyRing ring, CancellationToken cancellationToken)
    {
        if (found is null)
        {
            return client.CreateAsync(
                new V1Secret
                {
                    Metadata = new V1ObjectMeta
                    {
                        Name = _options.SecretName,
                        NamespaceProperty = _options.Namespace,
                        Labels = new Dictionary<string, string> { [Crds.Common.Labels.AppManagedBy] = OwnedMetadata.ManagedBy },
                    },
                    Type = "kubernetes.io/tls",
                    Data = ring.Write(),
                },
                cancellationToken);
        }
        found.Data = ring.Write();
        return client.UpdateAsync(found, cancellationToken); // With the resourceVersion that was read.
    }
}
