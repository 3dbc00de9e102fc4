using System.Diagnostics.CodeAnalysis;
using k8s.Models;

namespace AiFabric.Operator.Storage;

/// <summary>
/// Where data lies. Workers read and write <c>file://</c>; <c>pvc://claim/path</c> becomes a file once a pod mounts the claim; the others are
/// downloaded by the worker and cannot be written.
/// </summary>
internal sealed record StorageUri
{
    public const string FileScheme = "file";
    public const string ClaimScheme = "pvc";

    /// <summary>Where a claim is mounted in a worker when the template does not say.</summary>
    public const string ClaimMountRoot = "/mnt/pvc";

    /// <summary>Schemes that workers download.</summary>
    private static readonly string[] RemoteSchemes = ["hf", "s3", "oci", "http", "https"];

    private static readonly string Supported = $"use {string.Join(", ", new[] { FileScheme, ClaimScheme }.Concat(RemoteSchemes).Select(scheme => scheme + "://"))}";

    private StorageUri(string scheme, string? claim, string path) => (Scheme, Claim, Path) = (scheme, claim, path);

    public string Scheme { get; }

    /// <summary>The PersistentVolumeClaim's name; null for a file.</summary>
    public string? Claim { get; }

    /// <summary>Absolute path of a file; path within the claim, without a leading slash; all after <c>://</c> of a remote place.</summary>
    public string Path { get; }

    /// <summary>Whether workers download it. They cannot write there.</summary>
    public bool IsRemote => RemoteSchemes.Contains(Scheme);

    /// <summary>Reads <paramref name="text"/>; says what is wrong when it is none that works now.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out StorageUri? uri, [NotNullWhen(false)] out string? error)
    {
        (uri, error) = Parse(text ?? string.Empty);
        return uri is not null;
    }

    /// <summary>This place as a worker of <paramref name="pod"/> is told it: <c>file://</c>, or what it downloads.</summary>
    /// <param name="pod">The pod's spec; its container <c>worker</c> is looked at.</param>
    /// <param name="writable">Whether a read-only mount does.</param>
    /// <returns>Null when the worker does not mount the claim so, or has to write what can only be read.</returns>
    public string? WorkerUri(V1PodSpec? pod, bool writable)
    {
        if (IsRemote)
            return writable ? null : ToString();
        if (Claim is null)
            return "file://" + Path;
        V1Container? worker = pod?.Containers?.FirstOrDefault(container => container.Name == "worker");
        HashSet<string> volumes =
        [
            .. (pod?.Volumes ?? [])
                .Where(volume => volume.PersistentVolumeClaim is { } source && source.ClaimName == Claim
                    && !(writable && source.ReadOnlyProperty == true))
                .Select(volume => volume.Name),
        ];
        V1VolumeMount? mount = (worker?.VolumeMounts ?? []).FirstOrDefault(candidate => volumes.Contains(candidate.Name)
            && candidate.SubPath is null && candidate.SubPathExpr is null && !(writable && candidate.ReadOnlyProperty == true));
        return mount is null ? null : $"file://{mount.MountPath.TrimEnd('/')}/{Path}".TrimEnd('/');
    }

    /// <summary>A place below this one.</summary>
    public StorageUri Below(string relativePath) => new(Scheme, Claim, $"{Path.TrimEnd('/')}/{relativePath}".TrimStart(Claim is null ? '\0' : '/'));

    public override string ToString() => Claim is null ? $"{Scheme}://{Path}" : $"{ClaimScheme}://{Claim}/{Path}".TrimEnd('/');

    private static (StorageUri? Uri, string? Error) Parse(string text)
    {
        int colon = text.IndexOf("://", StringComparison.Ordinal);
        if (colon <= 0)
            return (null, $"'{text}' is no URI: {Supported}");
        string scheme = text[..colon];
        string rest = text[(colon + 3)..];
        if (rest.Split('/').Any(part => part is ".."))
            return (null, $"'{text}' must not contain '..'");
        return scheme switch
        {
            FileScheme when rest.StartsWith('/') => (new StorageUri(scheme, null, rest.Length > 1 ? rest.TrimEnd('/') : rest), null),
            FileScheme => (null, $"'{text}' names no absolute path: write file:///path, with three slashes"),
            ClaimScheme => ParseClaim(text, rest),
            _ when RemoteSchemes.Contains(scheme) => ParseRemote(text, scheme, rest),
            _ => (null, $"scheme '{scheme}' is not supported: {Supported}"),
        };
    }

    private static (StorageUri? Uri, string? Error) ParseRemote(string text, string scheme, string rest)
    {
        string authority = rest.Split('/')[0];
        string? error = scheme switch
        {
            _ when rest.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)) => $"'{text}' must not contain spaces",
            // Specs, events and logs are read by many.
            "http" or "https" when authority.Contains('@', StringComparison.Ordinal) =>
                "a URL must not hold credentials: put HTTP_USERNAME and HTTP_PASSWORD into a Secret and name it in spec.model.credentialsSecretRef",
            "http" or "https" => authority.Length > 0 ? null : $"'{text}' names no host",
            "s3" => Names.IsBucket(authority) ? null : $"'{text}' names no bucket: write s3://bucket/prefix",
            "oci" => Names.IsArtifact(rest) ? null : $"'{text}' names no artifact: write oci://registry/repository:tag or oci://registry/repository@sha256:...",
            _ => Names.IsHubPath(rest) ? null : $"'{text}' names no repository: write hf://org/name or hf://org/name@revision",
        };
        return error is null ? (new StorageUri(scheme, null, rest), null) : (null, error);
    }

    private static (StorageUri? Uri, string? Error) ParseClaim(string text, string rest)
    {
        string[] parts = rest.Split('/', 2);
        if (!Names.IsSubdomain(parts[0]))
            return (null, $"'{text}' names no PersistentVolumeClaim: write pvc://claim/path");
        return (new StorageUri(ClaimScheme, parts[0], parts.Length > 1 ? parts[1].Trim('/') : string.Empty), null);
    }
}
