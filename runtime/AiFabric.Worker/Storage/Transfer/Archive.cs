using System.Formats.Tar;
using System.IO.Compression;

namespace AiFabric.Worker.Storage.Transfer;

/// <summary>Unpacks archives: plain files and folders alone, none of which may leave the target. Links and devices are refused.</summary>
internal static class Archive
{
    /// <summary>Image layers mark files of lower layers as removed by this prefix (OCI image specification, whiteouts).</summary>
    private const string Whiteout = ".wh.";

    /// <param name="archive">The file.</param>
    /// <param name="packing">Its format.</param>
    /// <param name="folder">Where its content goes, over what is there.</param>
    /// <param name="cancellationToken">Ends the unpacking.</param>
    /// <exception cref="DownloadException">The archive is damaged or holds what is refused.</exception>
    /// <exception cref="IOException">The disk is full.</exception>
    public static async Task ExtractAsync(string archive, Packing packing, string folder, CancellationToken cancellationToken)
    {
        try
        {
            await using var file = new FileStream(archive, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16, useAsync: true);
            if (packing == Packing.Zip)
            {
                await ExtractZipAsync(file, folder, cancellationToken);
                return;
            }
            await using Stream plain = packing == Packing.TarGzip ? new GZipStream(file, CompressionMode.Decompress) : file;
            await ExtractTarAsync(plain, folder, cancellationToken);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException or FormatException)
        {
            throw new DownloadException($"{Path.GetFileName(archive)} is no valid {packing} archive: {e.Message}", retryable: false, e);
        }
    }

    private static async Task ExtractTarAsync(Stream stream, string folder, CancellationToken cancellationToken)
    {
        await using var reader = new TarReader(stream);
        while (await reader.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
        {
            switch (entry.EntryType)
            {
                case TarEntryType.Directory when entry.Name.TrimEnd('/') is "." or "":
                case TarEntryType.GlobalExtendedAttributes:
                    break;
                case TarEntryType.Directory:
                    Directory.CreateDirectory(SafePath.Below(folder, entry.Name));
                    break;
                case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                    await WriteFileAsync(SafePath.Below(folder, entry.Name), entry.DataStream ?? Stream.Null, cancellationToken);
                    break;
                default:
                    throw new DownloadException($"the archive's entry '{entry.Name}' is a {entry.EntryType}; only files and folders are taken", retryable: false);
            }
        }
    }

    private static async Task ExtractZipAsync(Stream stream, string folder, CancellationToken cancellationToken)
    {
        await using var zip = await ZipArchive.CreateAsync(stream, ZipArchiveMode.Read, leaveOpen: true, entryNameEncoding: null, cancellationToken);
        foreach (var entry in zip.Entries)
        {
            string path = SafePath.Below(folder, entry.FullName);
            if (entry.FullName.EndsWith('/'))
            {
                Directory.CreateDirectory(path);
                continue;
            }
            await using var content = await entry.OpenAsync(cancellationToken);
            await WriteFileAsync(path, content, cancellationToken);
        }
    }

    private static async Task WriteFileAsync(string path, Stream content, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!); // Below the target folder.
        string name = Path.GetFileName(path);
        if (name.StartsWith(Whiteout, StringComparison.Ordinal))
        {
            string hidden = Path.Combine(Path.GetDirectoryName(path)!, name[Whiteout.Length..]); // See above.
            if (Directory.Exists(hidden))
                Directory.Delete(hidden, recursive: true);
            File.Delete(hidden);
            return;
        }
        await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0, useAsync: true);
        await content.CopyToAsync(file, 1 << 17, cancellationToken);
        RandomAccess.FlushToDisk(file.SafeFileHandle);
    }
}
