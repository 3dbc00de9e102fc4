using System.Runtime.CompilerServices;
using System.Threading.Channels;
using AiFabric.Engine.Requests;

namespace AiFabric.Worker.Streaming;

/// <summary>Reads several generations of one request at once, in the order in which their pieces come.</summary>
internal static class ChoiceMerge
{
    // A slow client holds back only its own request: beyond this the readers wait, and the engine's channels hold the tokens.
    private const int PiecesAhead = 64;

    /// <summary>Reads all to their ends; a failure of one ends all.</summary>
    public static async IAsyncEnumerable<(int Index, ChoicePiece Piece)> ReadAsync(
        IReadOnlyList<(Generation Generation, ChoiceReader Reader)> choices, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (choices.Count == 1)
        {
            await foreach (var piece in choices[0].Reader.ReadAsync(choices[0].Generation, cancellationToken))
                yield return (0, piece);
            yield break;
        }
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var merged = Channel.CreateBounded<(int, ChoicePiece)>(PiecesAhead);
        var pumps = Task.WhenAll(choices.Select((choice, index) => PumpAsync(choice, index, merged.Writer, stop)));
        var closing = CloseAsync(pumps, merged.Writer);
        try
        {
            await foreach (var item in merged.Reader.ReadAllAsync(cancellationToken))
                yield return item;
        }
        finally
        {
            await stop.CancelAsync();
            await closing;
        }
    }

    private static async Task PumpAsync((Generation Generation, ChoiceReader Reader) choice, int index, ChannelWriter<(int, ChoicePiece)> output, CancellationTokenSource stop)
    {
        try
        {
            await foreach (var piece in choice.Reader.ReadAsync(choice.Generation, stop.Token))
                await output.WriteAsync((index, piece), stop.Token);
        }
#pragma warning disable CA1031 // Not swallowed: the reader of the channel gets it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            output.TryComplete(e);
            await stop.CancelAsync();
        }
    }

    private static async Task CloseAsync(Task pumps, ChannelWriter<(int, ChoicePiece)> output)
    {
        await pumps;
        output.TryComplete();
    }
}
