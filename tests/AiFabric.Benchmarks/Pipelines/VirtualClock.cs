namespace AiFabric.Benchmarks.Pipelines;

/// <summary>Virtual time, in seconds: what is due runs in the order of its time, equals in the order in which they were asked for.</summary>
internal sealed class VirtualClock
{
    private readonly PriorityQueue<Action, (double Time, long Order)> _agenda = new();
    private long _order;

    public double Now { get; private set; }

    public void At(double time, Action action) => _agenda.Enqueue(action, (time, _order++));

    /// <summary>Runs until nothing is due any more.</summary>
    public void Run()
    {
        while (_agenda.TryDequeue(out Action? next, out (double Time, long Order) due))
        {
            Now = due.Time;
            next();
        }
    }
}
