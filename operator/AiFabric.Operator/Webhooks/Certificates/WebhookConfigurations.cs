using System.Text;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Operator.Webhooks.Certificates;

/// <summary>The two configurations as they were read; null for one that does not exist.</summary>
internal sealed record ConfigurationView(V1ValidatingWebhookConfiguration? Validating, V1MutatingWebhookConfiguration? Mutating)
{
    private IEnumerable<byte[]?> Bundles =>
        (Validating?.Webhooks ?? []).Select(webhook => webhook.ClientConfig?.CaBundle)
            .Concat((Mutating?.Webhooks ?? []).Select(webhook => webhook.ClientConfig?.CaBundle));

    /// <summary>Whether every webhook trusts <paramref name="authority"/>.</summary>
    public bool Trusts(CertificateFacts authority) => Bundles.All(
        bundle => bundle is not null && Encoding.ASCII.GetString(bundle).Contains(authority.Pem, StringComparison.Ordinal));
}

/// <summary>
/// Keeps the caBundle of the two webhook configurations, and nothing else of them, by server-side apply: whoever installed them keeps all other
/// fields, and an upgrade of a chart that names no caBundle leaves ours alone.
/// </summary>
internal sealed class WebhookConfigurations(IKubernetesClient client, WebhookOptions options)
{
    private const string Manager = "aifabric-operator-webhooks";

    public async Task<ConfigurationView> ReadAsync(CancellationToken cancellationToken) => new(
        await client.GetAsync<V1ValidatingWebhookConfiguration>(options.ValidatingConfiguration, cancellationToken: cancellationToken),
        await client.GetAsync<V1MutatingWebhookConfiguration>(options.MutatingConfiguration, cancellationToken: cancellationToken));

    /// <summary>Writes the bundle where another one stands.</summary>
    /// <param name="view">As read; a configuration that changed since is a conflict.</param>
    /// <param name="bundle">PEM.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>How many configurations were written.</returns>
    /// <exception cref="KubernetesApiException">The server refused.</exception>
    public async Task<int> PublishAsync(ConfigurationView view, string bundle, CancellationToken cancellationToken)
    {
        byte[] wanted = Encoding.ASCII.GetBytes(bundle);
        int written = 0;
        if (view.Validating is { Webhooks: { } validating } && validating.Any(webhook => Differs(webhook.ClientConfig, wanted)))
        {
            await client.ApplyAsync(
                new V1ValidatingWebhookConfiguration
                {
                    Metadata = Metadata(view.Validating.Metadata),
                    Webhooks = [.. validating.Select(webhook => new V1ValidatingWebhook { Name = webhook.Name, ClientConfig = Bundle(wanted) })],
                },
                Manager, cancellationToken: cancellationToken);
            written++;
        }
        if (view.Mutating is { Webhooks: { } mutating } && mutating.Any(webhook => Differs(webhook.ClientConfig, wanted)))
        {
            await client.ApplyAsync(
                new V1MutatingWebhookConfiguration
                {
                    Metadata = Metadata(view.Mutating.Metadata),
                    Webhooks = [.. mutating.Select(webhook => new V1MutatingWebhook { Name = webhook.Name, ClientConfig = Bundle(wanted) })],
                },
                Manager, cancellationToken: cancellationToken);
            written++;
        }
        return written;
    }

    private static bool Differs(Admissionregistrationv1WebhookClientConfig? config, byte[] wanted) =>
        config?.CaBundle is not { } bundle || !bundle.AsSpan().SequenceEqual(wanted);

    private static Admissionregistrationv1WebhookClientConfig Bundle(byte[] wanted) => new() { CaBundle = wanted };

    private static V1ObjectMeta Metadata(V1ObjectMeta read) => new() { Name = read.Name, ResourceVersion = read.ResourceVersion };
}
