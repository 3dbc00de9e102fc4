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
    /// <exception cref="DownloadException">All that could be removed is in use. Then nothing is removed.</exception>
    public async Task ReserveAsync(string key, long bytes, CancellationToken cancellationToken)
    {
        using var room = await FileLock.WaitAsync(() => FileLock.TryExclusive(layout.RoomLock), time, cancellationToken);
        string reserved = layout.Reserved(key);
        if (File.Exists(reserved))
            File.Delete(reserved); // What is not going to come takes no room.
        // Written last: a disk that is full has no room even for this before something is removed.
        MakeRoom(key, bytes);
        Directory.CreateDirectory(layout.Incoming(key));
        await File.WriteAllTextAsync(reserved, bytes.ToString(CultureInfo.InvariantCulture), cancellationToken);
    }

    // (1) Hold, from the oldest on, what nobody uses until the rest leaves room. (2) Remove it if that is enough: else it would go in vain.
    private void MakeRoom(string key, long bytes)
    {
        var others = Others(key);
        long used = bytes + others.Sum(entry => entry.Bytes);
        // What others have reserved is theirs, though it is not here yet.
        long free = DiskErrors.FreeBytes(layout.Root) - others.Sum(entry => entry.Coming) - Math.Max(0, bytes - CacheLayout.BytesIn(layout.Incoming(key)));
        var unused = new List<(Entry Entry, IDisposable Hold)>();
        try
        {
            foreach (var oldest in others.OrderBy(entry => entry.LastUse))
            {
                if (FitsLimit(used) && free >= 0)
                    break;
                if (FileLock.TryExclusive(layout.UseLock(oldest.Key)) is not { } hold)
                    continue;
                unused.Add((oldest, hold));
                used -= oldest.Bytes;
                free += oldest.Bytes;
            }
            Require(used, free, bytes);
            unused.ForEach(item => Remove(item.Entry));
        }
        finally
        {
            unused.ForEach(item => item.Hold.Dispose());
        }
    }

    private void Require(long used, long free, long bytes)
    {
        if (!FitsLimit(used))
        {
            throw new DownloadException(
                $"the model cache is limited to {ByteText.Of(maxBytes ?? 0)}: {ByteText.Of(used - bytes)} are in use and {ByteText.Of(bytes)} more are needed; raise --model-cache-bytes",
                retryable: false);
        }
        if (free < 0)
            throw DiskErrors.Full(layout.Root, bytes);
    }

    private bool FitsLimit(long used) => maxBytes is null || used <= maxBytes;

    // All that is complete or on its way, but for one.
    private List<Entry> Others(string key) =>
    [
        .. Directory.GetDirectories(layout.Models).Concat(Directory.GetDirectories(layout.IncomingRoot))
            .Select(folder => Path.GetFileName(folder)).Distinct().Where(other => other != key).Select(EntryOf),
    ];

    private Entry EntryOf(string key)
    {
        long incoming = CacheLayout.BytesIn(layout.Incoming(key));
        return new Entry(key, CacheLayout.BytesIn(layout.Model(key)) + incoming, Math.Max(0, Reservation(key) - incoming), File.GetLastWriteTimeUtc(layout.UseLock(key)));
    }

    private long Reservation(string key) =>
        File.Exists(layout.Reserved(key)) && long.TryParse(File.ReadAllText(layout.Reserved(key)), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes : 0;

    private void Remove(Entry entry)
    {
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
        Log.Evicted(log, entry.Key, ByteText.Of(entry.Here));
    }

    /// <param name="Key">Whose.</param>
    /// <param name="Here">Bytes on the disk.</param>
    /// <param name="Coming">Bytes that are reserved and not here yet.</param>
    /// <param name="LastUse">When somebody last asked for it.</param>
    private sealed record Entry(string Key, long Here, long Coming, DateTime LastUse)
    {
        public long Bytes => Here + Coming;
    }
}
