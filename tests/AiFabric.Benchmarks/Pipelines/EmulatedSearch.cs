namespace AiFabric.Benchmarks.Pipelines;

/// <summary>An instance of the search: places, and calls that wait for one, as the gateway's places for functions have it.</summary>
/// <param name="clock">Virtual time.</param>
internal sealed class EmulatedSearch(VirtualClock clock)
{
    private readonly PriorityQueue<Call, (double Since, long Order)> _waiting = new();
    private int _busy;
    private long _order;

    /// <summary>Calls that run or wait.</summary>
    public int Load => _busy + _waiting.Count;

    /// <param name="since">It waits as if it had come then.</param>
    /// <param name="found">Called when it has found something.</param>
    /// <returns>Ends it while it waits; what was begun goes on to its end, and nobody hears of it.</returns>
    public Action Ask(double since, Action found)
    {
        var call = new Call(found);
        if (_busy == FactCheck.SearchPlaces)
        {
            _waiting.Enqueue(call, (since, _order++));
        }
        else
        {
            _busy++;
            Begin(call);
        }
        return () => call.IsEnded = true;
    }

    private void Begin(Call call) => clock.At(clock.Now + FactCheck.SearchSeconds, () =>
    {
        Call? next;
        while (_waiting.TryDequeue(out next, out _) && next.IsEnded)
        {
        }
        if (next is { IsEnded: false })
            Begin(next);
        else
            _busy--;
        if (!call.IsEnded)
            call.Found();
    });

    private sealed class Call(Action found)
    {
        public Action Found { get; } = found;

        public bool IsEnded { get; set; }
    }
}
