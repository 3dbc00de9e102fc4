using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>
/// A group of a function stage with aggregation: its items go one by one to the replica that the group's key chooses. When that one is lost, all of
/// them go to the next from the log, marked as duplicates. The group is closed once all were taken, and its answer is the stage's.
/// </summary>
/// <param name="request">What is the same for all of its requests.</param>
/// <param name="function">What the replicas run.</param>
/// <param name="context">Whose run it is.</param>
/// <param name="input">Name of the stage's input.</param>
/// <param name="replicas">The replicas as they are now.</param>
/// <param name="caller">Speaks with them.</param>
/// <param name="attempts">Replicas tried.</param>
internal sealed class GroupSession(
    StageRequest request, FunctionSpec function, RunContext context, string input, Func<IReadOnlyList<FunctionReplica>> replicas, FunctionCaller caller, int attempts)
{
    /// <summary>Most characters that the log holds: a group must fit, or it could not be replayed.</summary>
    private const int MaxLog = 16 << 20;

    private readonly Lock _lock = new();
    private readonly List<(ItemPath Item, string Text)> _log = [];
    private TaskCompletionSource _news = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _characters;
    private int _everSent;
    private int? _closed;

    public void Add(ItemPath item, string text)
    {
        lock (_lock)
        {
            _characters += text.Length;
            _log.Add((item, text));
            Tell();
        }
    }

    /// <summary>No more items come.</summary>
    public void Close(int items)
    {
        lock (_lock)
        {
            _closed = items;
            Tell();
        }
    }

    /// <summary>Delivers until the group is closed and answered.</summary>
    /// <param name="taken">Told of each item that a replica took, for the first time or again.</param>
    /// <param name="answer">Given the pieces of the answer; a second answer begins again at 0.</param>
    /// <param name="clock">Runs for each item and for the answer anew.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="CallException">No replica could do it.</exception>
    public async Task RunAsync(Action<ItemPath> taken, Func<IAsyncEnumerable<string>, Task> answer, StageClock clock, CancellationToken cancellationToken)
    {
        var lost = new HashSet<string>(StringComparer.Ordinal);
        for (int attempt = 1; ; attempt++)
        {
            FunctionReplica replica = FunctionReplicas.Choose(replicas(), $"{request.Run}/{request.Stage}/{request.Group}", lost)
                ?? throw new CallException("the function has no ready replica", mayRetry: false);
            try
            {
                await DeliverAsync(replica, taken, clock, cancellationToken);
                await answer(caller.PostAsync(replica, function, context, request with { Closed = _closed }, cancellationToken));
                return;
            }
            catch (CallException e) when (e.MayRetry && attempt < attempts)
            {
                lost.Add(replica.Uid);
            }
        }
    }

    /// <summary>Sends the whole log, and what is added meanwhile, to one replica; ends when the group is closed.</summary>
    private async Task DeliverAsync(FunctionReplica replica, Action<ItemPath> taken, StageClock clock, CancellationToken cancellationToken)
    {
        for (int next = 0; ;)
        {
            Task news;
            (ItemPath Item, string Text)? entry;
            bool duplicate;
            lock (_lock)
            {
                if (_characters > MaxLog)
                    throw new CallException($"the group has more than {MaxLog} characters", mayRetry: false);
                if (next == _log.Count && _closed == next)
                    return;
                entry = next < _log.Count ? _log[next] : null;
                duplicate = next < _everSent;
                _everSent = entry is null ? _everSent : Math.Max(_everSent, next + 1);
                news = _news.Task;
            }
            if (entry is not { } item)
            {
                clock.Pause(); // How long a group lives is up to those before it.
                await news.WaitAsync(cancellationToken);
                clock.Resume();
                continue;
            }
            StageRequest body = request with { Item = item.Item.ToString(), Inputs = new Dictionary<string, string> { [input] = item.Text }, Duplicate = duplicate };
            await foreach (string _ in caller.PostAsync(replica, function, context, body, cancellationToken))
                throw new CallException("a function with aggregation answers the request that closes the group, not its items", mayRetry: false);
            taken(item.Item);
            clock.Resume();
            next++;
        }
    }

    private void Tell()
    {
        TaskCompletionSource told = _news;
        _news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        told.SetResult();
    }
}
