using System.Diagnostics.CodeAnalysis;
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
        // Room for every token and one end without a token, so that the engine never waits here: it holds a sequence whose reader is behind.
        events = Channel.CreateBounded<TokenEvent>(new BoundedChannelOptions(sequence.MaxTokens + 1) { SingleWriter = true });
        Reader = new CountedReader(this);
    }

    public Sequence Sequence { get; }

    public long Submitted { get; }

    /// <summary>Timestamp of the last token; null before the first.</summary>
    public long? LastToken { get; set; }

    /// <summary>Whether an event with a finish reason was written.</summary>
    public bool Finished { get; private set; }

    public ChannelReader<TokenEvent> Reader { get; }

    /// <summary>Called, by the reader, when a sequence that was held goes on. Set before anything is written.</summary>
    public Action? GoesOn { get; set; }

    public void Write(TokenEvent next)
    {
        Finished |= next.Finish is not null;
        Sequence.Written();
        // Always taken: there is room for all, and only Complete closes the channel.
        events.Writer.TryWrite(next);
    }

    public void Complete() => events.Writer.TryComplete();

    /// <summary>The channel's reader, which tells the sequence what was taken.</summary>
    private sealed class CountedReader(RequestStream stream) : ChannelReader<TokenEvent>
    {
        public override Task Completion => stream.events.Reader.Completion;

        public override bool CanCount => true;

        public override int Count => stream.events.Reader.Count;

        public override bool TryRead([MaybeNullWhen(false)] out TokenEvent item)
        {
            if (!stream.events.Reader.TryRead(out item))
                return false;
            if (stream.Sequence.Taken())
                stream.GoesOn?.Invoke();
            return true;
        }

        public override ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken = default) => stream.events.Reader.WaitToReadAsync(cancellationToken);
    }
}
