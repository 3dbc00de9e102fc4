using System.Collections.Concurrent;
using AiFabric.Cli.Gateway;

namespace AiFabric.Cli.Demo;

/// <summary>A steady chat load: a fixed number of clients, each asking again as soon as its answer ended.</summary>
public sealed class ChatLoad(ChatClient client, string model, int clients, TimeProvider time)
{
    private static readonly string[] Openings =
    [
        "The duty of the government is", "It was a fine morning when", "The captain looked at the sea and", "My dear sister,",
        "The Congress has before it", "She had always believed that", "Of all the whales that swim,", "Our commerce with foreign nations",
    ];

    private readonly ConcurrentQueue<TimeSpan> _gaps = new();
    private long _pieces;
    private long _answers;
    private long _failures;

    /// <summary>Text pieces received. Each is one token, or a few bytes of several.</summary>
    public long Pieces => Interlocked.Read(ref _pieces);

    /// <summary>Answers that ended with their final event.</summary>
    public long Answers => Interlocked.Read(ref _answers);

    /// <summary>Answers that ended with an error.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>Times between two pieces of one answer since the last call.</summary>
    public IReadOnlyList<TimeSpan> TakeGaps()
    {
        var taken = new List<TimeSpan>();
        while (_gaps.TryDequeue(out TimeSpan gap))
            taken.Add(gap);
        return taken;
    }

    /// <summary>Runs until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(Enumerable.Range(0, clients).Select(i => RunClientAsync(i, cancellationToken)));

    private async Task RunClientAsync(int number, CancellationToken cancellationToken)
    {
        for (int turn = number; !cancellationToken.IsCancellationRequested; turn++)
        {
            try
            {
                await AskAsync(Openings[turn % Openings.Length], turn, cancellationToken);
                Interlocked.Increment(ref _answers);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (e is CliException or HttpRequestException or IOException)
            {
                Interlocked.Increment(ref _failures);
            }
        }
    }

    private async Task AskAsync(string opening, int seed, CancellationToken cancellationToken)
    {
        long? last = null;
        await foreach (string _ in client.StreamAsync(model, [ChatClient.User(opening)], 64, 0.8, seed, cancellationToken))
        {
            if (last is { } before)
                _gaps.Enqueue(time.GetElapsedTime(before));
            last = time.GetTimestamp();
            Interlocked.Increment(ref _pieces);
        }
    }
}
