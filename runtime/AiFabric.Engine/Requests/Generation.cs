using System.Threading.Channels;

namespace AiFabric.Engine.Requests;

/// <summary>A running generation. Disposing it cancels the sequence within one iteration and frees its blocks.</summary>
/// <param name="id">Identity inside the engine.</param>
/// <param name="events">Bounded by the request's MaxTokens. When <see cref="Scheduling.Sequence.MostUnread"/> of them wait, no more are computed until half of those are read.</param>
/// <param name="end">Asks the engine to drop the sequence, and says whether the reader has all that it wants; harmless after its end.</param>
public sealed class Generation(SequenceId id, ChannelReader<TokenEvent> events, Action<bool> end) : IDisposable
{
    public SequenceId Id { get; } = id;

    public ChannelReader<TokenEvent> Events { get; } = events;

    /// <summary>Ends the sequence as disposing it does, for a reader that has all it wants, such as a text up to its stop string: it counts as stopped, not as cancelled.</summary>
    public void Stop() => end(true);

    public void Dispose() => end(false);
}
