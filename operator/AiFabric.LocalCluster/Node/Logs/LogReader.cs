using System.Runtime.CompilerServices;
using System.Text;
using AiFabric.LocalCluster.Node.Containers;
using AiFabric.LocalCluster.Registry;
using Microsoft.Win32.SafeHandles;

namespace AiFabric.LocalCluster.Node.Logs;

/// <summary>Reads the lines of one run's log, while it is written or after.</summary>
internal sealed class LogReader(RunFolder folder, TimeProvider time)
{
    private const int BlockBytes = 64 * 1024;
    private const int MaxLineBytes = 1 << 20;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(100);
    private readonly LogIndex _index = new(LogStore.IndexFile(folder));
    private IReadOnlyList<LogMark> _marks = [];

    /// <param name="request">Tail, since and follow.</param>
    /// <param name="isRunning">Whether the container may still write.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public async IAsyncEnumerable<PodLogLine> ReadAsync(
        PodLogRequest request, Func<bool> isRunning, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // A container that has just started makes its log itself.
        while (!File.Exists(folder.LogFile))
        {
            if (request.Follow && isRunning())
            {
                await Task.Delay(Poll, time, cancellationToken);
            }
            else if (!File.Exists(folder.LogFile))
            {
                yield break;
            }
        }

        using SafeFileHandle log = File.OpenHandle(folder.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        _marks = _index.Read();
        long position = First(log, request);
        byte[] block = new byte[BlockBytes];
        var line = new List<byte>();
        while (true)
        {
            // Asked before reading: what a container wrote before it ended is then surely read.
            bool more = request.Follow && isRunning();
            int read = RandomAccess.Read(log, block, position);
            long start = Start();
            if (position < start)
            {
                (position, read) = (start, 0); // this part was freed while we were on our way
                line.Clear();
                continue;
            }

            for (int i = 0; i < read; i++)
            {
                position++;
                if (block[i] != (byte)'\n' && line.Count < MaxLineBytes)
                {
                    line.Add(block[i]);
                    continue;
                }

                PodLogLine complete = Line(line, position);
                if (block[i] != (byte)'\n')
                {
                    line.Add(block[i]);
                }

                if (request.Since is null || complete.Time >= request.Since)
                {
                    yield return complete;
                }
            }

            if (read == 0 && !more)
            {
                break;
            }

            if (read == 0)
            {
                await Task.Delay(Poll, time, cancellationToken);
            }
        }

        if (line.Count > 0)
        {
            yield return Line(line, position);
        }
    }

    private long Start() => _index.Read() is { Count: > 0 } marks ? (_marks = marks)[0].Offset : 0;

    private PodLogLine Line(List<byte> bytes, long end)
    {
        if (bytes.Count > 0 && bytes[^1] == (byte)'\r')
        {
            bytes.RemoveAt(bytes.Count - 1);
        }

        string text = Encoding.UTF8.GetString(bytes.ToArray());
        bytes.Clear();
        return new PodLogLine(TimeOf(end), text);
    }

    private DateTimeOffset TimeOf(long end)
    {
        int low = 0, high = _marks.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = _marks[middle].Offset < end ? (middle + 1, high) : (low, middle);
        }

        return low < _marks.Count ? _marks[low].Time : time.GetUtcNow();
    }

    private long First(SafeFileHandle log, PodLogRequest request)
    {
        long start = _marks.Count > 0 ? _marks[0].Offset : 0;
        if (request.TailLines is not { } lines)
        {
            return start;
        }

        // Backwards, block by block, counting line ends; the one that ends the file counts for no line of its own.
        long length = RandomAccess.GetLength(log);
        if (lines <= 0)
        {
            return length;
        }

        byte[] block = new byte[BlockBytes];
        int seen = 0;
        for (long end = length; end > start;)
        {
            long begin = Math.Max(start, end - BlockBytes);
            int read = RandomAccess.Read(log, block.AsSpan(0, (int)(end - begin)), begin);
            for (int i = read - 1; i >= 0; i--)
            {
                if (block[i] == (byte)'\n' && begin + i != length - 1 && ++seen == lines)
                {
                    return begin + i + 1;
                }
            }

            end = begin;
        }

        return start;
    }
}
