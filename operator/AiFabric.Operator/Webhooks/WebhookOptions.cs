using System.Net;
using AiFabric.Operator.Storage;

namespace AiFabric.Operator.Webhooks;

/// <summary>Settings of the admission webhooks, section <c>Operator:Webhooks</c> (environment: <c>Operator__Webhooks__Enabled</c>, ...).</summary>
internal sealed class WebhookOptions
{
    /// <summary>Whether this process answers admission reviews. Without them the reconcilers check all the same and tell it in conditions.</summary>
    public bool Enabled { get; set; }

    /// <summary>HTTPS port of the reviews, on all addresses.</summary>
    public int Port { get; set; } = 9443;

    /// <summary>The Service by which the API server reaches the operator.</summary>
    public string ServiceName { get; set; } = "aifabric-operator-webhooks";

    /// <summary>Namespace of the Service and of the Secret.</summary>
    public string Namespace { get; set; } = "aifabric-system";

    /// <summary>Secret that keeps the authority and the serving certificate; the operator makes it.</summary>
    public string SecretName { get; set; } = "aifabric-operator-webhooks";

    /// <summary>ValidatingWebhookConfiguration whose caBundle is kept.</summary>
    public string ValidatingConfiguration { get; set; } = "aifabric-validation";

    /// <summary>MutatingWebhookConfiguration whose caBundle is kept.</summary>
    public string MutatingConfiguration { get; set; } = "aifabric-defaulting";

    /// <summary>More names or addresses in the certificate, for configurations that reach the operator by <c>url</c>.</summary>
    public IList<string> ExtraNames { get; init; } = [];

    /// <summary>Every name the serving certificate must carry.</summary>
    public IReadOnlyList<string> GetNames() =>
        [.. new[] { $"{ServiceName}.{Namespace}.svc", $"{ServiceName}.{Namespace}.svc.cluster.local" }.Concat(ExtraNames).Distinct()];

    /// <summary>What is wrong with the settings.</summary>
    public IEnumerable<string> Problems()
    {
        if (Port is < 1 or > 65_535)
            yield return $"Operator:Webhooks:Port {Port} must be from 1 to 65535";
        if (!Names.IsServiceName(ServiceName))
            yield return $"Operator:Webhooks:ServiceName '{ServiceName}' is no name of a Service";
        if (!Names.IsLabel(Namespace))
            yield return $"Operator:Webhooks:Namespace '{Namespace}' is no name of a namespace";
        (string Field, string Name)[] objects =
        [
            (nameof(SecretName), SecretName), (nameof(ValidatingConfiguration), ValidatingConfiguration),
            (nameof(MutatingConfiguration), MutatingConfiguration),
        ];
        foreach ((string field, string name) in objects.Where(entry => !Names.IsSubdomain(entry.Name)))
            yield return $"Operator:Webhooks:{field} '{name}' is no name of an object: use at most 253 of a-z, 0-9, '-' and '.'";
        foreach (string name in ExtraNames.Where(name => !Names.IsSubdomain(name) && !IPAddress.TryParse(name, out _)))
            yield return $"Operator:Webhooks:ExtraNames '{name}' is neither a DNS name nor an address";
    }
}
