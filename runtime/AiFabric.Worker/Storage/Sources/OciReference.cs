using System.Text.RegularExpressions;

namespace AiFabric.Worker.Storage.Sources;

/// <summary><c>oci://registry/repository[:tag][@sha256:…]</c>.</summary>
/// <param name="Registry">Host and port.</param>
/// <param name="Repository">Path of the repository.</param>
/// <param name="Reference">A digest, else a tag.</param>
internal sealed partial record OciReference(string Registry, string Repository, string Reference)
{
    /// <exception cref="StorageException">The URI is malformed, or names another revision than the one given.</exception>
    public static OciReference Parse(string uri, string? revision)
    {
        string[] parts = uri["oci://".Length..].Split('/', 2);
        if (parts.Length < 2 || parts[0].Length == 0 || Repositories().Match(parts[1]) is not { Success: true } match)
            throw new StorageException($"'{uri}' names no artifact; write oci://registry/repository:tag or oci://registry/repository@sha256:….");
        string? named = match.Groups["digest"] is { Success: true } digest ? digest.Value : match.Groups["tag"] is { Success: true } tag ? tag.Value : null;
        if (named is not null && revision is not null && named != revision)
            throw new StorageException($"'{uri}' names '{named}', yet the revision '{revision}' is asked for; give one of them.");
        // The registry that docker.io means.
        return new OciReference(parts[0] == "docker.io" ? "registry-1.docker.io" : parts[0], match.Groups["name"].Value, named ?? revision ?? "latest");
    }

    /// <summary>The registry's address: HTTPS, but for this machine and those named in <paramref name="plainHttp"/>, comma separated.</summary>
    public Uri BaseUri(string? plainHttp)
    {
        string host = Registry.StartsWith('[') ? Registry[..(Registry.IndexOf(']') + 1)] : Registry.Split(':')[0];
        bool plain = host is "localhost" or "127.0.0.1" or "[::1]" || (plainHttp ?? "").Split(',', StringSplitOptions.TrimEntries).Contains(Registry);
        return new Uri($"{(plain ? "http" : "https")}://{Registry}/v2/{Repository}/");
    }

    // The distribution specification's grammar of names, tags and digests.
    [GeneratedRegex("^(?<name>[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)(:(?<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(@(?<digest>sha256:[a-f0-9]{64}))?$")]
    private static partial Regex Repositories();
}
