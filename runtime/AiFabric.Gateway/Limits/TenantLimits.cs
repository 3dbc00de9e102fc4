using System.Globalization;
using k8s.Models;

namespace AiFabric.Gateway.Limits;

/// <summary>What a tenant may ask for in a minute; null for no limit.</summary>
/// <param name="RequestsPerMinute">Requests, those included that fail.</param>
/// <param name="TokensPerMinute">Tokens of prompts and answers.</param>
public sealed record TenantLimits(long? RequestsPerMinute, long? TokensPerMinute)
{
    /// <summary>Annotations of a Secret with API keys: the limits of each of its keys.</summary>
    public const string RequestsAnnotation = "aifabric.io/requests-per-minute";

    public const string TokensAnnotation = "aifabric.io/tokens-per-minute";

    public static readonly TenantLimits None = new(null, null);

    /// <summary>Reads a Secret's annotations; what it does not say is as in <paramref name="defaults"/>.</summary>
    /// <returns>The limits, and what is wrong with an annotation, which then counts as absent.</returns>
    public static (TenantLimits Limits, string? Problem) Read(V1Secret secret, TenantLimits defaults)
    {
        (long? requests, string? first) = Number(secret, RequestsAnnotation);
        (long? tokens, string? second) = Number(secret, TokensAnnotation);
        return (new TenantLimits(requests ?? defaults.RequestsPerMinute, tokens ?? defaults.TokensPerMinute), first ?? second);
    }

    /// <summary>One replica's part of them, for <paramref name="shares"/> replicas that count each for itself. At least one of each.</summary>
    public TenantLimits Divide(int shares) => new(Part(RequestsPerMinute, shares), Part(TokensPerMinute, shares));

    private static long? Part(long? limit, int shares) => limit is { } number ? Math.Max(1, number / shares) : null;

    private static (long? Number, string? Problem) Number(V1Secret secret, string annotation)
    {
        if (secret.Metadata.Annotations?.TryGetValue(annotation, out string? text) != true)
            return (null, null);
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) && number is > 0 and <= 1_000_000_000_000
            ? (number, null)
            : (null, $"{annotation} of Secret {secret.Metadata.NamespaceProperty}/{secret.Metadata.Name} is '{text}': write a whole number from 1 to 1000000000000");
    }
}
