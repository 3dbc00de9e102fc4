namespace AiFabric.Benchmarks.Pipelines;

/// <summary>An instance of the search: places, and calls that wait for one, as the gateway's places for functions have it.</summary>
/// <param name="clock">Virtual time.</param>
/// <param name="byAge">Whether calls of older requests go first.</param>
internal sealed class EmulatedSearch(VirtualClock clock, bool byAge)
{
    private readonly PriorityQueue<Action, (double Since, long Order)> _waiting = new();
    private int _busy;
    private long _order;

    /// <summary>Calls that run or wait.</summary>
    public int Load => _busy + _waiting.Count;

    /// <param name="since">When the request came that it is a part of.</param>
    /// <param name="found">Called when it has found something.</param>
    public void Ask(double since, Action found)
    {
        if (_busy == FactCheck.SearchPlaces)
        {
            _waiting.Enqueue(found, (byAge ? since : 0, _order++));
            return;
        }
        _busy++;
        Begin(found);
    }

    private void Begin(Action found) => clock.At(clock.Now + FactCheck.SearchSeconds, () =>
    {
        if (_waiting.TryDequeue(out Action? next, out _))
            Begin(next);
        else
            _busy--;
        found();
    });
}
