namespace AiFabric.Engine.Execution;

/// <summary>Lets one thread sleep until another has something for it. A signal given while nobody sleeps is kept; several count as one.</summary>
internal sealed class WakeSignal
{
    // A monitor and not an event: it has nothing to dispose, so that a late signal to a stopped engine is harmless.
    private readonly object gate = new();
    private bool signalled;

    public void Set()
    {
        lock (gate)
        {
            signalled = true;
            Monitor.Pulse(gate);
        }
    }

    public void Wait()
    {
        lock (gate)
        {
            while (!signalled)
                Monitor.Wait(gate);
            signalled = false;
        }
    }
}
