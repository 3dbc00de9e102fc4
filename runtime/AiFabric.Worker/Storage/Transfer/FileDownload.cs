using System.Security.Cryptography;
using Polly;

namespace AiFabric.Worker.Storage.Transfer;

/// <summary>
/// Brings one file into a folder: bytes go to <c>NAME.part</c>, which a later try goes on with, also one after a kill; when all are there and the
/// checksum is right they are flushed to disk and take their name.
/// </summary>
internal sealed class FileDownload(IRemoteSource source, ResiliencePipeline retries, LoadingProgress progress, TimeProvider time)
{
    public const string PartSuffix = ".part";

    private const int BufferBytes = 256 << 10;

    // A connection that sends nothing for so long is given up, and the rest is asked for anew.
    private static readonly TimeSpan SilenceDeadline = TimeSpan.FromSeconds(30);

    /// <param name="file">What to fetch.</param>
    /// <param name="target">Where it goes; its folder is made.</param>
    /// <param name="cancellationToken">Ends the transfer; what is there stays.</param>
    /// <exception cref="DownloadException">The server cannot be reached or refuses, the content is wrong twice, or the disk is full.</exception>
    public async Task RunAsync(RemoteFile file, string target, CancellationToken cancellationToken)
    {
        if (File.Exists(target))
        {
            progress.Add(new FileInfo(target).Length);
            return;
        }
        string part = target + PartSuffix;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(target)!); // Below the cache's folder.
            progress.Add(LengthOf(part));
            if (!await FetchAndVerifyAsync(file, part, cancellationToken))
            {
                // What a kill or a bad cable left may be at fault: once more, from the start.
                Drop(part);
                if (!await FetchAndVerifyAsync(file, part, cancellationToken))
                {
                    Drop(part);
                    throw new DownloadException($"{file.Path}: the content sent is not what the server's checksum {file.Digest} or size promises", retryable: true);
                }
            }
            File.Move(part, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw DiskErrors.Of(Path.GetDirectoryName(target)!, file.Size ?? 0, e);
        }
    }

    /// <returns>Whether the content is right.</returns>
    private async Task<bool> FetchAndVerifyAsync(RemoteFile file, string part, CancellationToken cancellationToken)
    {
        bool whole = File.Exists(part) && LengthOf(part) == file.Size; // An empty file is there once it was asked for.
        while (!whole)
            whole = await retries.ExecuteAsync(async token => await TryAsync(file, part, token), cancellationToken);
        return await IsRightAsync(file, part, cancellationToken);
    }

    /// <summary>One connection.</summary>
    /// <returns>False when it broke after it brought something: then the next one does not count as a retry.</returns>
    private async Task<bool> TryAsync(RemoteFile file, string part, CancellationToken cancellationToken)
    {
        // Without size and name of the content there is no telling whether the rest is missing and belongs to the same.
        if (file.Size is null || (file.ETag is null && file.Digest is null))
            Drop(part);
        long before = LengthOf(part);
        if (file.Size < before)
        {
            Drop(part);
            before = 0;
        }
        try
        {
            await using var content = await source.OpenAsync(file, before, cancellationToken);
            await CopyAsync(content, file, part, cancellationToken);
            return true;
        }
        catch (DownloadException e) when (e.IsContentWrong)
        {
            Drop(part);
            throw;
        }
        catch (DownloadException e) when (e.IsRetryable && LengthOf(part) > before)
        {
            return false;
        }
    }

    private async Task CopyAsync(RemoteContent content, RemoteFile file, string part, CancellationToken cancellationToken)
    {
        await using var target = new FileStream(part, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, bufferSize: 0);
        if (target.Length > content.Offset)
        {
            progress.Add(content.Offset - target.Length);
            target.SetLength(content.Offset);
        }
        target.Position = content.Offset;
        byte[] buffer = new byte[BufferBytes];
        while (await ReadAsync(content.Stream, buffer, file, cancellationToken) is var read and > 0)
        {
            if (target.Position + read > file.Size)
                throw new DownloadException($"{file.Path}: more bytes came than the {file.Size} announced", retryable: false);
            await target.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            progress.Add(read);
        }
        RandomAccess.FlushToDisk(target.SafeFileHandle);
        if (target.Position < file.Size)
            throw new DownloadException($"{file.Path}: the connection ended after {target.Position} of {file.Size} bytes", retryable: true);
    }

    private async Task<int> ReadAsync(Stream stream, byte[] buffer, RemoteFile file, CancellationToken cancellationToken)
    {
        using var silent = new CancellationTokenSource(SilenceDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, silent.Token);
        try
        {
            return await stream.ReadAsync(buffer, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new DownloadException($"{file.Path}: nothing came for {SilenceDeadline.TotalSeconds:0} s", retryable: true);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new DownloadException($"{file.Path}: the connection broke: {e.Message}", retryable: true, e);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // A protocol's library checks what it can on its own: S3's compares an ETag that is an MD5.
            throw new DownloadException($"{file.Path}: {e.Message}", retryable: true, e) { IsContentWrong = true };
        }
    }

    private static async Task<bool> IsRightAsync(RemoteFile file, string part, CancellationToken cancellationToken)
    {
        long length = LengthOf(part);
        if (file.Size is { } size && size != length)
            return false;
        if (file.Digest is not { } digest)
            return true;
        using IncrementalHash hash = digest.Begin(length);
        await using var content = new FileStream(part, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        byte[] buffer = new byte[BufferBytes];
        while (await content.ReadAsync(buffer, cancellationToken) is var read and > 0)
            hash.AppendData(buffer, 0, read);
        return digest.Matches(hash);
    }

    private void Drop(string part)
    {
        progress.Add(-LengthOf(part));
        File.Delete(part);
    }

    private static long LengthOf(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;
}
