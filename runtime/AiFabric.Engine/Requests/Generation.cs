using System.Threading.Channels;

namespace AiFabric.Engine.Requests;

/// <summary>A running generation. Disposing it cancels the sequence within one iteration and frees its blocks.</summary>
/// <param name="id">Identity inside the engine.</param>
/// <param name="events">Bounded by the request's MaxTokens. When <see cref="Scheduling.Sequence.MostUnread"/> of them wait, no more are computed until half of those are read.</param>
/// <param name="cancel">Asks the engine to drop the sequence; harmless after its end.</param>
public sealed class Generation(SequenceId id, ChannelReader<TokenEvent> events, Action<SequenceId> cancel) : IDisposable
{
    public SequenceId Id { get; } = id;

    public ChannelReader<TokenEvent> Events { get; } = events;

    public void Dispose() => cancel(Id);
}
