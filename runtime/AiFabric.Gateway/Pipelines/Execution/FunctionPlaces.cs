namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>
/// The places at functions' replicas, and who waits for one. Calls of older requests go first, or the early calls of young requests would stand before
/// the last calls of old ones, and under load nobody would end. Thread safe.
/// </summary>
public sealed class FunctionPlaces
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Replica> _replicas = new(StringComparer.Ordinal);
    private long _entered;

    /// <summary>Calls that a replica works on or that wait for it.</summary>
    public int Load(string replica)
    {
        lock (_lock)
            return _replicas.TryGetValue(replica, out Replica? known) ? known.Busy + known.Waiting.Count : 0;
    }

    /// <summary>Takes a place, when it is this call's turn. It is given back when the result is disposed.</summary>
    /// <param name="replica">Uid of the replica.</param>
    /// <param name="places">How many it has.</param>
    /// <param name="since"><see cref="RunContext.Since"/>: lower ones go first, equals in the order in which they ask.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public async ValueTask<IDisposable> EnterAsync(string replica, int places, long since, CancellationToken cancellationToken)
    {
        Replica at;
        var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (!_replicas.TryGetValue(replica, out Replica? known))
                _replicas[replica] = known = new Replica();
            at = known;
            if (at.Busy < places)
            {
                at.Busy++;
                return new Place(this, replica, at);
            }
            at.Waiting.Enqueue(turn, (since, _entered++));
        }
        await using (cancellationToken.Register(() => GiveUp(replica, at, turn, cancellationToken)))
            await turn.Task;
        return new Place(this, replica, at);
    }

    private void GiveUp(string uid, Replica replica, TaskCompletionSource turn, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            replica.Waiting.Remove(turn, out _, out _);
            Forget(uid, replica);
        }
        turn.TrySetCanceled(cancellationToken);
    }

    private void Leave(string uid, Replica replica)
    {
        lock (_lock)
        {
            replica.Busy--;
            if (replica.Waiting.TryDequeue(out TaskCompletionSource? next, out _))
            {
                replica.Busy++;
                next.SetResult(); // Who gives up leaves the queue first.
            }
            Forget(uid, replica);
        }
    }

    private void Forget(string uid, Replica replica)
    {
        if (replica is { Busy: 0, Waiting.Count: 0 })
            _replicas.Remove(uid);
    }

    private sealed class Replica
    {
        public int Busy { get; set; }

        public PriorityQueue<TaskCompletionSource, (long Since, long Entered)> Waiting { get; } = new();
    }

    private sealed class Place(FunctionPlaces places, string uid, Replica replica) : IDisposable
    {
        private int _isLeft;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isLeft, 1) == 0)
                places.Leave(uid, replica);
        }
    }
}
