namespace AiFabric.Worker.Storage.Sources;

/// <summary>Which protocol reads which scheme.</summary>
internal static class RemoteSources
{
    /// <exception cref="StorageException">The URI is malformed.</exception>
    public static IRemoteSource Create(string uri, string? revision, Func<string, string?> environment, TimeProvider time) => StorageUri.SchemeOf(uri) switch
    {
        "hf" => new HubSource(uri, revision, environment, time),
        "s3" => new S3Source(uri, environment),
        "oci" => new OciSource(uri, revision, environment, time),
        "http" or "https" => new HttpSource(uri, revision, environment, time),
        _ => throw StorageUri.Unsupported(uri),
    };
}
