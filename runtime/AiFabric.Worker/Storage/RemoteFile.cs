namespace AiFabric.Worker.Storage;

/// <summary>How a file is turned into what it stands for.</summary>
internal enum Packing
{
    None,
    Tar,
    TarGzip,
    Zip,
}

/// <summary>One file of a remote place.</summary>
/// <param name="Path">Where it goes, relative, with <c>/</c>; checked by <see cref="SafePath"/>.</param>
/// <param name="Location">Where the source finds it: a URL, a key, a digest.</param>
internal sealed record RemoteFile(string Path, string Location)
{
    /// <summary>Bytes; null when the server does not tell before it sends.</summary>
    public long? Size { get; init; }

    /// <summary>Null when the server gives none that can be checked.</summary>
    public ContentDigest? Digest { get; init; }

    /// <summary>The server's name for this content, with quotes as sent; null when there is none.</summary>
    public string? ETag { get; init; }

    /// <summary>
    /// What else the server says that is another for another content: a weak ETag, or a date. Null when it says nothing. Enough to tell that the file has
    /// changed since it was asked for last, not to go on half way.
    /// </summary>
    public string? Hint { get; init; }

    public Packing Packing { get; init; }
}

/// <summary>What a URI stands for at this moment.</summary>
/// <param name="Revision">The revision in the server's own, immutable terms where it has such; for logs.</param>
/// <param name="Files">Not empty.</param>
internal sealed record RemoteListing(string Revision, IReadOnlyList<RemoteFile> Files)
{
    /// <summary>Bytes of all files whose size is known.</summary>
    public long TotalBytes => Files.Sum(file => file.Size ?? 0);
}

/// <summary>A file's bytes from an offset on.</summary>
/// <param name="stream">Read once, then disposed.</param>
/// <param name="offset">Where the bytes begin: as asked, or 0 when the server cannot resume.</param>
/// <param name="owner">What the stream lives on.</param>
internal sealed class RemoteContent(Stream stream, long offset, IDisposable owner) : IAsyncDisposable
{
    public Stream Stream { get; } = stream;

    public long Offset { get; } = offset;

    public async ValueTask DisposeAsync()
    {
        await Stream.DisposeAsync();
        owner.Dispose();
    }
}

/// <summary>A protocol by which files are read: one implementation for each family of schemes.</summary>
internal interface IRemoteSource : IDisposable
{
    /// <summary>Asks what the URI stands for now.</summary>
    /// <exception cref="DownloadException">The server cannot be reached or refuses.</exception>
    Task<RemoteListing> ListAsync(CancellationToken cancellationToken);

    /// <summary>Begins to read <paramref name="file"/>, from <paramref name="offset"/> on if the server can.</summary>
    /// <exception cref="DownloadException">The server cannot be reached or refuses, or the file is another one by now.</exception>
    Task<RemoteContent> OpenAsync(RemoteFile file, long offset, CancellationToken cancellationToken);
}
