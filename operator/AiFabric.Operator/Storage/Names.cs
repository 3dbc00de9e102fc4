using System.Text.RegularExpressions;

namespace AiFabric.Operator.Storage;

/// <summary>Kubernetes' rules for names (RFC 1123 and 1035).</summary>
internal static partial class Names
{
    /// <summary>A DNS subdomain: the name of most objects.</summary>
    public static bool IsSubdomain(string text) => text.Length is > 0 and <= 253 && Subdomain().IsMatch(text);

    /// <summary>A DNS label that starts with a letter: the name of a Service, and fit for a label's value.</summary>
    public static bool IsServiceName(string text) => text.Length is > 0 and <= 63 && ServiceName().IsMatch(text);

    /// <summary>A DNS label: fit for a label's value and one part of a host name.</summary>
    public static bool IsLabel(string text) => text.Length is > 0 and <= 63 && !text.Contains('.') && Subdomain().IsMatch(text);

    /// <summary>A place on the Hugging Face hub: <c>[datasets/]org/name[@revision][/path]</c>.</summary>
    public static bool IsHubPath(string text) => HubPath().IsMatch(text);

    /// <summary>A bucket's name, also in the forms that older servers allow.</summary>
    public static bool IsBucket(string text) => Bucket().IsMatch(text);

    /// <summary>An artifact of an OCI registry: <c>registry/repository[:tag][@sha256:...]</c>.</summary>
    public static bool IsArtifact(string text) => Artifact().IsMatch(text);

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")]
    private static partial Regex Bucket();

    [GeneratedRegex("^[^/]+(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[a-f0-9]{64})?$")]
    private static partial Regex Artifact();

    [GeneratedRegex("^(datasets/)?[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*(@[^/@]+)?(/.*)?$")]
    private static partial Regex HubPath();

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")]
    private static partial Regex Subdomain();

    [GeneratedRegex("^[a-z]([-a-z0-9]*[a-z0-9])?$")]
    private static partial Regex ServiceName();
}
