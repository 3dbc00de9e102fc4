using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Text;

namespace AiFabric.Protocol.Sse;

/// <summary>Reads server-sent events: the data of each, its lines joined by a line feed. Comments and other fields are skipped.</summary>
/// <remarks>Source: WHATWG HTML, section 9.2.6. An event that the stream ends inside of is dropped, as the specification says.</remarks>
public static class SseReader
{
    /// <summary>Longest event accepted, in bytes, so that a broken peer cannot fill the memory.</summary>
    public const int MaxEventBytes = 1 << 20;

    /// <summary>Reads events until the stream ends.</summary>
    /// <exception cref="InvalidDataException">An event is longer than <see cref="MaxEventBytes"/>.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public static async IAsyncEnumerable<string> ReadAsync(Stream stream, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true));
        var data = new StringBuilder();
        bool any = false;
        try
        {
            while (true)
            {
                var read = await reader.ReadAsync(cancellationToken);
                var buffer = read.Buffer;
                while (TryReadLine(ref buffer, read.IsCompleted, out string line))
                {
                    if (line.Length == 0 && any)
                    {
                        yield return data.ToString();
                        data.Clear();
                        any = false;
                    }
                    else if (DataOf(line) is { } value)
                    {
                        data.Append(any ? "\n" : "").Append(value);
                        any = true;
                    }
                    if (data.Length > MaxEventBytes)
                        throw new InvalidDataException($"An event is longer than {MaxEventBytes} bytes.");
                }
                if (buffer.Length > MaxEventBytes)
                    throw new InvalidDataException($"An event is longer than {MaxEventBytes} bytes.");
                reader.AdvanceTo(buffer.Start, buffer.End);
                if (read.IsCompleted)
                    yield break;
            }
        }
        finally
        {
            await reader.CompleteAsync();
        }
    }

    /// <summary>The value of a <c>data</c> line, or null for any other line.</summary>
    internal static string? DataOf(string line)
    {
        if (line == "data")
            return "";
        if (!line.StartsWith("data:", StringComparison.Ordinal))
            return null;
        return line.AsSpan(5) is [' ', ..] ? line[6..] : line[5..];
    }

    // A line ends with LF, CR or CRLF; a CR at the end of what is there may be half of a CRLF.
    private static bool TryReadLine(ref ReadOnlySequence<byte> buffer, bool isCompleted, out string line)
    {
        var reader = new SequenceReader<byte>(buffer);
        if (!reader.TryReadToAny(out ReadOnlySequence<byte> found, "\r\n"u8, advancePastDelimiter: false))
        {
            line = "";
            return false;
        }
        reader.TryRead(out byte delimiter);
        if (delimiter == (byte)'\r')
        {
            if (reader.End && !isCompleted)
            {
                line = "";
                return false;
            }
            reader.IsNext((byte)'\n', advancePast: true);
        }
        line = Encoding.UTF8.GetString(found);
        buffer = buffer.Slice(reader.Position);
        return true;
    }
}
