using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>Reads the lines of a function's answer. None is held that is longer than a line may be, whether it ends or not.</summary>
internal static class StageLines
{
    /// <summary>Longest line, bytes: room for the longest text of an item in UTF-8.</summary>
    public const int MaxBytes = 4 << 20;

    /// <summary>The lines that are not empty, each valid until the next is asked for.</summary>
    /// <exception cref="CallException">A line is too long, or the connection broke.</exception>
    public static async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(Stream stream, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true));
        try
        {
            while (true)
            {
                ReadResult read = await NextAsync(reader, cancellationToken);
                ReadOnlySequence<byte> left = read.Buffer;
                while (Cut(ref left, read.IsCompleted) is { } line)
                {
                    if (!line.Span.Trim((byte)'\r').IsEmpty)
                        yield return line;
                }
                if (left.Length > MaxBytes)
                    throw TooLong();
                reader.AdvanceTo(left.Start, left.End);
                if (read.IsCompleted)
                    yield break;
            }
        }
        finally
        {
            await reader.CompleteAsync();
        }
    }

    /// <summary>Takes the first line off; null when none is whole. The last needs no end.</summary>
    private static ReadOnlyMemory<byte>? Cut(ref ReadOnlySequence<byte> left, bool isCompleted)
    {
        SequencePosition? end = left.PositionOf((byte)'\n');
        if (end is null && (!isCompleted || left.IsEmpty))
            return null;
        ReadOnlySequence<byte> line = end is { } at ? left.Slice(0, at) : left;
        left = end is { } found ? left.Slice(left.GetPosition(1, found)) : left.Slice(left.End);
        if (line.Length > MaxBytes)
            throw TooLong();
        return line.IsSingleSegment ? line.First : line.ToArray();
    }

    private static async Task<ReadResult> NextAsync(PipeReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw new CallException("a replica of the function was lost in the middle of its answer", mayRetry: true, e);
        }
    }

    private static CallException TooLong() => new($"the function sent a line of more than {MaxBytes} bytes", mayRetry: false);
}
