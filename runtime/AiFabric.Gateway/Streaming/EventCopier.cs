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
    /// <summary>The worker sent its final event; what it might send after it is not passed on.</summary>
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
internal static class EventCopier
{
    // Several events of a token each; a longer event has the buffer grow.
    private const int FirstBytes = 4_096;

    private static ReadOnlySpan<byte> Boundary => "\n\n"u8;

    private static ReadOnlySpan<byte> FinalEvent => "data: [DONE]\n\n"u8;

    /// <summary>Copies from <paramref name="worker"/> to <paramref name="client"/> until either ends. The last event may be left for the end of the answer to flush.</summary>
    /// <param name="worker">The worker's answer.</param>
    /// <param name="client">The client's connection.</param>
    /// <param name="spending">Counts events; null where nobody needs to know.</param>
    /// <param name="deadline">Ends reads that bring nothing for too long: the worker is lost then.</param>
    /// <param name="cut">Cancelled when the stream must end, whatever is left of it.</param>
    /// <param name="cancellationToken">Ends when the client leaves.</param>
    /// <returns>The end, and what broke the worker's side, if anything did.</returns>
    public static async Task<(StreamEnd End, Exception? Cause)> CopyAsync(
        Stream worker, PipeWriter client, Spending? spending, AttemptDeadline deadline, CancellationToken cut, CancellationToken cancellationToken)
    {
        deadline.BeginStream();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(FirstBytes);
        int held = 0; // Bytes of an event that has not ended.
        bool begun = false;
        try
        {
            while (true)
            {
                if (held == buffer.Length)
                    Grow(ref buffer);
                (int read, Exception? cause) = await ReadAsync(worker, buffer.AsMemory(held), deadline, cancellationToken);
                if (read == 0)
                    return await EndAsync(client, begun, cause, IsCut(cause), cancellationToken);

                int whole = WholeEvents(buffer.AsSpan(0, held + read), held);
                if (whole > 0)
                {
                    if (Write(buffer.AsSpan(0, whole), client, spending))
                    {
                        await FinishAsync(worker, client, deadline, cancellationToken);
                        return (StreamEnd.Done, null);
                    }
                    begun = true;
                    if ((await client.FlushAsync(cancellationToken)).IsCompleted)
                        return (StreamEnd.ClientGone, null);
                }
                held += read - whole;
                buffer.AsSpan(whole, held).CopyTo(buffer);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return (StreamEnd.ClientGone, null);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        bool IsCut(Exception? cause) => cut.IsCancellationRequested && cause is OperationCanceledException;
    }

    private static async ValueTask<(int Read, Exception? Cause)> ReadAsync(Stream worker, Memory<byte> memory, AttemptDeadline deadline, CancellationToken cancellationToken)
    {
        try
        {
            return (await worker.ReadAsync(memory, deadline.BeginRead()), null);
        }
        catch (Exception e) when (e is IOException or HttpRequestException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return (0, e);
        }
    }

    /// <summary>
    /// Reads the end of the worker's answer, so that its connection can be used again. Mostly it came along with the final event: then the server sends that event
    /// and the end of its own answer at once.
    /// </summary>
    private static async Task FinishAsync(Stream worker, PipeWriter client, AttemptDeadline deadline, CancellationToken cancellationToken)
    {
        // Of its own: the read may outlive the client, and with it the caller's buffer.
        Task<(int, Exception?)> end = ReadAsync(worker, new byte[1], deadline, cancellationToken).AsTask();
        if (!end.IsCompleted)
            await client.FlushAsync(cancellationToken);
        await end;
    }

    private static void Grow(ref byte[] buffer)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(2 * buffer.Length);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }

    /// <summary>Bytes up to the last end of an event; those before <paramref name="searched"/> hold none.</summary>
    private static int WholeEvents(ReadOnlySpan<byte> bytes, int searched)
    {
        int from = Math.Max(0, searched - 1); // The end may lie across two reads.
        int last = bytes[from..].LastIndexOf(Boundary);
        return last < 0 ? 0 : from + last + Boundary.Length;
    }

    /// <summary>Writes whole events, however many came at once. Tells whether they end with the final one, which is looked for where workers write it: last.</summary>
    private static bool Write(ReadOnlySpan<byte> events, PipeWriter client, Spending? spending)
    {
        client.Write(events);
        spending?.CountEvents(events);
        return events.EndsWith(FinalEvent);
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
