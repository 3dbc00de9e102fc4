using AiFabric.LocalCluster.Node.Containers;
using AiFabric.LocalCluster.Node.Interop;
using Microsoft.Win32.SafeHandles;

namespace AiFabric.LocalCluster.Node.Logs;

/// <summary>
/// Looks after one run's log while the container writes it: notes times, and frees the oldest part of the file when it is too long. Freeing
/// leaves offsets as they are, so neither the writer nor readers notice, and no line is lost or read twice.
/// </summary>
internal sealed class LogStore(RunFolder folder, long maxBytes)
{
    public const string FileName = "log";

    private readonly LogIndex _index = new(IndexFile(folder));
    private long _length = -1;
    private long _start;
    private bool _cannotFree;

    public static string IndexFile(RunFolder folder) => Path.Combine(folder.Path, "log.index");

    /// <summary>Call from time to time, and once more after the container has ended.</summary>
    public void Observe(DateTimeOffset now)
    {
        var file = new FileInfo(folder.LogFile);
        if (!file.Exists)
        {
            return;
        }

        if (_length < 0)
        {
            IReadOnlyList<LogMark> known = _index.Read();
            (_start, _length) = known.Count == 0 ? (0, 0) : (known[0].Offset, known[^1].Offset);
            if (known.Count == 0)
            {
                _index.Append(new LogMark(0, now));
            }
        }

        if (file.Length > _length)
        {
            _length = file.Length;
            _index.Append(new LogMark(_length, now));
        }

        if (_length - _start > maxBytes && !_cannotFree)
        {
            FreeOldest(now);
        }
    }

    private void FreeOldest(DateTimeOffset now)
    {
        using SafeFileHandle log = File.OpenHandle(folder.LogFile, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        long cut = NextLine(log, _length - (maxBytes / 2));

        // The index first: a reader that finds its place before the new start moves there, and never sees freed bytes.
        IReadOnlyList<LogMark> marks = _index.Read();
        DateTimeOffset at = marks.FirstOrDefault(m => m.Offset >= cut, new LogMark(cut, now)).Time;
        _index.Replace(marks.Where(m => m.Offset > cut).Prepend(new LogMark(cut, at)));
        _start = cut;
        _cannotFree = !Native.FreeStart(log, cut);
    }

    private static long NextLine(SafeFileHandle log, long offset)
    {
        byte[] buffer = new byte[4096];
        for (long at = offset; ; at += buffer.Length)
        {
            int read = RandomAccess.Read(log, buffer, at);
            int end = buffer.AsSpan(0, read).IndexOf((byte)'\n');
            if (end >= 0)
            {
                return at + end + 1;
            }

            if (read < buffer.Length)
            {
                return offset; // one endless line: cut it anywhere
            }
        }
    }
}
