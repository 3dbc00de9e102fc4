namespace AiFabric.Worker.Storage;

/// <summary>Every URI of the worker goes through here and becomes a local path.</summary>
internal static class StorageUri
{
    /// <summary>The path a URI stands for; nothing is looked up.</summary>
    /// <exception cref="StorageException">The URI is malformed or of a scheme this build does not read.</exception>
    public static string ToPath(string uri)
    {
        if (!Uri.TryCreate(uri, UriKind.Absolute, out var parsed) || !uri.Contains("://", StringComparison.Ordinal))
            throw new StorageException($"'{uri}' is not a URI; write file:///path.");
        if (parsed.Scheme != Uri.UriSchemeFile)
            throw new StorageException($"'{uri}': the scheme '{parsed.Scheme}' is not supported; supported: file.");
        if (parsed.Host.Length > 0 && parsed.Host != "localhost")
            throw new StorageException($"'{uri}' names the host '{parsed.Host}'; write file:///path with three slashes.");
        return Path.GetFullPath(Uri.UnescapeDataString(parsed.AbsolutePath));
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
