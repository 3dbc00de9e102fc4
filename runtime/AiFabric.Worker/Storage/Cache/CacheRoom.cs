using System.Globalization;
using AiFabric.Protocol;
using AiFabric.Worker.Storage.Transfer;

namespace AiFabric.Worker.Storage.Cache;

/// <summary>Keeps a cache within its bounds: the limit it was given and the disk it is on.</summary>
internal sealed class CacheRoom(CacheLayout layout, long? maxBytes, TimeProvider time, ILogger log)
{
    /// <summary>Makes room for a download and reserves it, so that another worker's does not count on the same.</summary>
    /// <param name="key">What is to be downloaded.</param>
    /// <param name="bytes">What it takes, with what of it is here already.</param>
    /// <param name="cancellationToken">Ends the wait for others that make room.</param>
    /// <exception cref="DownloadException">All that could be removed is in use.</exception>
    public async Task ReserveAsync(string key, long bytes, CancellationToken cancellationToken)
    {
        using var room = await FileLock.WaitAsync(() => FileLock.TryExclusive(layout.RoomLock), time, cancellationToken);
        Directory.CreateDirectory(layout.Incoming(key));
        string reserved = layout.Reserved(key);
        await File.WriteAllTextAsync(reserved, bytes.ToString(CultureInfo.InvariantCulture), cancellationToken);
        try
        {
            MakeRoom(key, bytes);
        }
        catch (DownloadException)
        {
            File.Delete(reserved); // What is not going to come takes no room.
            throw;
        }
    }

    private void MakeRoom(string key, long bytes)
    {
        var entries = Entries();
        long used = entries.Sum(entry => entry.Bytes);
        long missing = Math.Max(0, bytes - CacheLayout.BytesIn(layout.Incoming(key)));
        foreach (var oldest in entries.Where(entry => entry.Key != key).OrderBy(entry => entry.LastUse).ToList())
        {
            if (FitsLimit(used) && missing <= DiskErrors.FreeBytes(layout.Root))
                return;
            if (TryRemove(oldest))
                used -= oldest.Bytes;
        }
        if (!FitsLimit(used))
        {
            throw new DownloadException(
                $"the model cache is limited to {ByteText.Of(maxBytes ?? 0)}: {ByteText.Of(used - bytes)} are in use and {ByteText.Of(bytes)} more are needed; raise --model-cache-bytes",
                retryable: false);
        }
        if (missing > DiskErrors.FreeBytes(layout.Root))
            throw DiskErrors.Full(layout.Root, bytes);
    }

    private bool FitsLimit(long used) => maxBytes is null || used <= maxBytes;

    private List<Entry> Entries()
    {
        var complete = Directory.GetDirectories(layout.Models).Select(folder => Path.GetFileName(folder))
            .Select(key => new Entry(key, CacheLayout.BytesIn(layout.Model(key)), File.GetLastWriteTimeUtc(layout.UseLock(key))));
        var incoming = Directory.GetDirectories(layout.IncomingRoot).Select(folder => Path.GetFileName(folder))
            .Select(key => new Entry(key, Math.Max(Reservation(key), CacheLayout.BytesIn(layout.Incoming(key))), File.GetLastWriteTimeUtc(layout.UseLock(key))));
        return [.. complete, .. incoming];
    }

    private long Reservation(string key) =>
        File.Exists(layout.Reserved(key)) && long.TryParse(File.ReadAllText(layout.Reserved(key)), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes : 0;

    /// <summary>Removes what nobody uses or downloads.</summary>
    private bool TryRemove(Entry entry)
    {
        using var use = FileLock.TryExclusive(layout.UseLock(entry.Key));
        if (use is null)
            return false;
        // Moved away first: half a folder must not pass for a whole one.
        foreach (string folder in (string[])[layout.Model(entry.Key), layout.Incoming(entry.Key)])
        {
            if (!Directory.Exists(folder))
                continue;
            string doomed = Path.Combine(layout.IncomingRoot, $"{entry.Key}.removed");
            if (Directory.Exists(doomed))
                Directory.Delete(doomed, recursive: true);
            Directory.Move(folder, doomed);
            Directory.Delete(doomed, recursive: true);
        }
        Log.Evicted(log, entry.Key, ByteText.Of(entry.Bytes));
        return true;
    }

    private sealed record Entry(string Key, long Bytes, DateTime LastUse);
}
