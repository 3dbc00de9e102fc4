using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Limits;
using AiFabric.Protocol;

namespace AiFabric.Gateway.Streaming;

/// <summary>How the copying of an event stream ended. A value, for all of them are expected.</summary>
public enum StreamEnd
{
    /// <summary>The worker sent its final event.</summary>
    Done,

    /// <summary>The client left.</summary>
    ClientGone,

    /// <summary>The worker was lost before its first whole event: the client has seen nothing, and another worker may be asked.</summary>
    NeverBegan,

    /// <summary>The worker was lost; the client was told by an error event.</summary>
    WorkerLost,

    /// <summary>This gateway shuts down; the client was told by an error event.</summary>
    CutOff,
}

/// <summary>Copies server-sent events, untouched and whole, flushing after each read: a lost worker leaves no half event behind.</summary>
public static class EventCopier
{
    private static readonly StreamPipeReaderOptions ReaderOptions = new();

    private static ReadOnlySpan<byte> Boundary => "\n\n"u8;

    private static ReadOnlySpan<byte> FinalEvent => "data: [DONE]\n\n"u8;

    /// <summary>Copies from <paramref name="worker"/> to <paramref name="client"/> until either ends.</summary>
    /// <param name="worker">The worker's answer.</param>
    /// <param name="client">The client's connection.</param>
    /// <param name="spending">Counts events; null where nobody needs to know.</param>
    /// <param name="idle">The worker is lost when it sends nothing for this long.</param>
    /// <param name="cut">Cancelled when the stream must end, whatever is left of it.</param>
    /// <param name="cancellationToken">Ends when the client leaves.</param>
    /// <returns>The end, and what broke the worker's side, if anything did.</returns>
    public static async Task<(StreamEnd End, Exception? Cause)> CopyAsync(
        Stream worker, PipeWriter client, Spending? spending, TimeSpan idle, CancellationToken cut, CancellationToken cancellationToken)
    {
        PipeReader reader = PipeReader.Create(worker, ReaderOptions);
        using var deadline = new IdleDeadline(idle, cut, cancellationToken);
        bool done = false, begun = false;
        try
        {
            while (true)
            {
                (ReadResult result, Exception? cause) = await ReadAsync(reader, deadline, cancellationToken);
                if (cause is not null)
                    return done ? (StreamEnd.Done, null) : await EndAsync(client, begun, cause, IsCut(cause), cancellationToken);

                SequencePosition end = WriteWholeEvents(result.Buffer, client, spending, ref done);
                bool news = !end.Equals(result.Buffer.Start);
                begun |= news;
                reader.AdvanceTo(end, result.Buffer.End);
                if (news && (await client.FlushAsync(cancellationToken)).IsCompleted && !done)
                    return (StreamEnd.ClientGone, null);
                if (result.IsCompleted)
                    return done ? (StreamEnd.Done, null) : await EndAsync(client, begun, null, false, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return (StreamEnd.ClientGone, null);
        }
        finally
        {
            await reader.CompleteAsync();
        }

        bool IsCut(Exception cause) => cut.IsCancellationRequested && cause is OperationCanceledException;
    }

    private static async ValueTask<(ReadResult Result, Exception? Cause)> ReadAsync(PipeReader reader, IdleDeadline deadline, CancellationToken cancellationToken)
    {
        try
        {
            return (await reader.ReadAsync(deadline.Begin()), null);
        }
        catch (Exception e) when (e is IOException or HttpRequestException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return (default, e);
        }
    }

    /// <summary>Writes up to the last event boundary and returns its position. The final event is looked for where workers write it: last.</summary>
    private static SequencePosition WriteWholeEvents(in ReadOnlySequence<byte> buffer, PipeWriter client, Spending? spending, ref bool done)
    {
        // Nearly always the events of one read lie in one piece.
        if (buffer.IsSingleSegment)
        {
            int last = buffer.FirstSpan.LastIndexOf(Boundary);
            if (last < 0)
                return buffer.Start;
            ReadOnlySpan<byte> events = buffer.FirstSpan[..(last + Boundary.Length)];
            client.Write(events);
            spending?.CountEvents(events);
            done |= events.EndsWith(FinalEvent);
            return buffer.GetPosition(events.Length);
        }

        var reader = new SequenceReader<byte>(buffer);
        SequencePosition end = buffer.Start;
        while (reader.TryReadTo(out ReadOnlySequence<byte> _, Boundary))
            end = reader.Position;
        if (end.Equals(buffer.Start))
            return end;
        byte[] whole = buffer.Slice(buffer.Start, end).ToArray();
        client.Write(whole);
        spending?.CountEvents(whole);
        done |= whole.AsSpan().EndsWith(FinalEvent);
        return end;
    }

    /// <summary>Tells the client why the stream ends here.</summary>
    private static async Task<(StreamEnd End, Exception? Cause)> EndAsync(
        PipeWriter client, bool begun, Exception? cause, bool isCut, CancellationToken cancellationToken)
    {
        if (!begun)
            return (StreamEnd.NeverBegan, cause);
        OpenAIError error = isCut ? OpenAIError.ShuttingDown() : OpenAIError.WorkerLost();
        client.Write("data: "u8);
        client.Write(JsonSerializer.SerializeToUtf8Bytes(error.ToResponse(), OpenAIJson.Default.ErrorResponse));
        client.Write(Boundary);
        await client.FlushAsync(cancellationToken);
        return (isCut ? StreamEnd.CutOff : StreamEnd.WorkerLost, cause);
    }
}
