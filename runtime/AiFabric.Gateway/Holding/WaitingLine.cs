using AiFabric.Gateway.Routing;

namespace AiFabric.Gateway.Holding;

/// <summary>How a wait ended. A value, for all of them are expected.</summary>
public enum HoldEnd
{
    /// <summary>The routing table has an answer.</summary>
    Released,

    /// <summary>There was no place to wait in.</summary>
    Full,

    TimedOut,

    /// <summary>The gateway stops.</summary>
    Stopping,

    ClientGone,
}

/// <summary>How much may wait.</summary>
/// <param name="Requests">Of all models.</param>
/// <param name="RequestsPerModel">Of one model.</param>
/// <param name="Bytes">Of all bodies.</param>
public readonly record struct HoldBounds(int Requests, int RequestsPerModel, long Bytes);

/// <summary>A request that waits.</summary>
public sealed class Waiter
{
    public Waiter(ModelName name, ModelKey model, long bytes)
    {
        (Name, Model, Bytes) = (name, model, bytes);
        Node = new LinkedListNode<Waiter>(this);
    }

    public ModelName Name { get; }

    public ModelKey Model { get; }

    /// <summary>Size of its body.</summary>
    public long Bytes { get; }

    /// <summary>Completes when it leaves the line. It continues on the thread that lets it go, which <see cref="WaitingLine.Release"/> relies on.</summary>
    public Task<HoldEnd> Ended => End.Task;

    internal LinkedListNode<Waiter> Node { get; }

    internal TaskCompletionSource<HoldEnd> End { get; } = new();
}

/// <summary>A bounded line: first come, first let go. Safe for many threads.</summary>
public sealed class WaitingLine(HoldBounds bounds)
{
    private readonly LinkedList<Waiter> _waiters = new();
    private readonly Dictionary<ModelKey, int> _counts = [];
    private readonly Lock _lock = new();
    private long _bytes;
    private bool _closed;

    /// <summary>Requests that wait, and the bytes of their bodies.</summary>
    public (int Requests, long Bytes) Size
    {
        get
        {
            lock (_lock)
                return (_waiters.Count, _bytes);
        }
    }

    /// <summary>Puts a request at the end of the line.</summary>
    /// <param name="waiter">The request.</param>
    /// <param name="mustWait">Asked when nobody can be let go meanwhile; when false, the request does not enter.</param>
    /// <returns>Null when it waits now, or why it does not.</returns>
    public HoldEnd? Enter(Waiter waiter, Func<bool> mustWait)
    {
        lock (_lock)
        {
            if (!mustWait())
                return HoldEnd.Released;
            if (_closed)
                return HoldEnd.Stopping;
            int ofModel = _counts.GetValueOrDefault(waiter.Model);
            if (_waiters.Count >= bounds.Requests || ofModel >= bounds.RequestsPerModel || _bytes + waiter.Bytes > bounds.Bytes)
                return HoldEnd.Full;
            _counts[waiter.Model] = ofModel + 1;
            _bytes += waiter.Bytes;
            _waiters.AddLast(waiter.Node);
            return null;
        }
    }

    /// <summary>Takes one request out, unless it has left already.</summary>
    public void Leave(Waiter waiter, HoldEnd end)
    {
        lock (_lock)
        {
            if (!Remove(waiter))
                return;
        }

        waiter.End.SetResult(end);
    }

    /// <summary>
    /// Takes out all that <paramref name="goes"/> names and lets them go one after the other, in the order in which they came: each runs up to its
    /// first real wait before the next.
    /// </summary>
    public void Release(HoldEnd end, Func<Waiter, bool> goes)
    {
        List<Waiter> leaving;
        lock (_lock)
        {
            leaving = [.. _waiters.Where(goes)];
            leaving.ForEach(waiter => Remove(waiter));
        }

        leaving.ForEach(waiter => waiter.End.SetResult(end));
    }

    /// <summary>Lets nobody in any more, and everybody go.</summary>
    public void Close()
    {
        lock (_lock)
            _closed = true;
        Release(HoldEnd.Stopping, _ => true);
    }

    private bool Remove(Waiter waiter)
    {
        if (waiter.Node.List is null)
            return false; // Two reasons to leave came at the same time.
        _waiters.Remove(waiter.Node);
        _bytes -= waiter.Bytes;
        if (--_counts[waiter.Model] == 0)
            _counts.Remove(waiter.Model);
        return true;
    }
}
