using System.Threading.Channels;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;

namespace AiFabric.Engine.Execution;

/// <summary>A sequence and the channel that its client reads.</summary>
internal sealed class RequestStream
{
    private readonly Channel<TokenEvent> events;

    /// <param name="sequence">The sequence.</param>
    /// <param name="submitted">Timestamp of submission.</param>
    public RequestStream(Sequence sequence, long submitted)
    {
        (Sequence, Submitted) = (sequence, submitted);
        // Room for every token and one end without a token, so that the engine never waits for a slow reader.
        events = Channel.CreateBounded<TokenEvent>(new BoundedChannelOptions(sequence.MaxTokens + 1) { SingleWriter = true });
    }

    public Sequence Sequence { get; }

    public long Submitted { get; }

    /// <summary>Timestamp of the last token; null before the first.</summary>
    public long? LastToken { get; set; }

    /// <summary>Whether an event with a finish reason was written.</summary>
    public bool Finished { get; private set; }

    public ChannelReader<TokenEvent> Reader => events.Reader;

    public void Write(TokenEvent next)
    {
        Finished |= next.Finish is not null;
        // Always taken: there is room for all, and only Complete closes the channel.
        events.Writer.TryWrite(next);
    }

    public void Complete() => events.Writer.TryComplete();
}
