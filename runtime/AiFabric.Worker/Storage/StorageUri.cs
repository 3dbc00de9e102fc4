namespace AiFabric.Worker.Storage;

/// <summary>Every URI of the worker goes through here and becomes a local path.</summary>
internal static class StorageUri
{
    /// <summary>Schemes that are read through the cache; <c>file</c> alone is read in place and written.</summary>
    private static readonly string[] RemoteSchemes = ["hf", "s3", "oci", "http", "https"];

    /// <summary>What stands before <c>://</c>, in lower case; empty when there is none.</summary>
    public static string SchemeOf(string uri) => uri.IndexOf("://", StringComparison.Ordinal) is var colon and > 0 ? uri[..colon].ToLowerInvariant() : "";

    /// <summary>Whether it has to be downloaded.</summary>
    public static bool IsRemote(string uri) => RemoteSchemes.Contains(SchemeOf(uri));

    /// <summary>The URI for logs: signed ones carry secrets in their query.</summary>
    public static string WithoutQuery(string uri) => uri.Split('?', 2)[0];

    public static StorageException Unsupported(string uri) =>
        new($"'{uri}': the scheme '{SchemeOf(uri)}' is not supported; supported: file (read and written), {string.Join(", ", RemoteSchemes)} (read).");

    /// <summary>The path a URI stands for; nothing is looked up.</summary>
    /// <exception cref="StorageException">The URI is malformed or of a scheme this build does not read.</exception>
    public static string ToPath(string uri)
    {
        if (!Uri.TryCreate(uri, UriKind.Absolute, out var parsed) || SchemeOf(uri).Length == 0)
            throw new StorageException($"'{uri}' is not a URI; write file:///path.");
        if (parsed.Scheme != Uri.UriSchemeFile)
            throw IsRemote(uri) ? new StorageException($"'{uri}': the scheme '{parsed.Scheme}' can only be read; supported: file.") : Unsupported(uri);
        if (parsed.Host.Length > 0 && parsed.Host != "localhost")
            throw new StorageException($"'{uri}' names the host '{parsed.Host}'; write file:///path with three slashes.");
        return Path.GetFullPath(Uri.UnescapeDataString(parsed.AbsolutePath));
    }

    /// <summary>The model a URI stands for: a folder, or a GGUF file, which holds all there is to a model.</summary>
    /// <exception cref="StorageException">See <see cref="ToPath"/>; or there is neither.</exception>
    public static string ToExistingModel(string uri)
    {
        string path = ToPath(uri);
        return path.EndsWith(".gguf", StringComparison.Ordinal) && File.Exists(path) ? path : ToExistingFolder(uri);
    }

    /// <summary>The folder a URI stands for.</summary>
    /// <exception cref="StorageException">See <see cref="ToPath"/>; or there is no such folder.</exception>
    public static string ToExistingFolder(string uri)
    {
        string path = ToPath(uri);
        if (File.Exists(path))
            throw new StorageException($"'{uri}' is a file; a folder is needed.");
        return Directory.Exists(path) ? path : throw new StorageException($"'{uri}' does not exist.");
    }

    public static string FromPath(string path) => new UriBuilder(Uri.UriSchemeFile, "") { Path = path }.Uri.AbsoluteUri;
}
