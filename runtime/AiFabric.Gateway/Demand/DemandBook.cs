using System.Collections.Concurrent;
using AiFabric.Gateway.Routing;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Demand;

/// <summary>The demand for each model that was asked for, as this replica sees it.</summary>
public sealed class DemandBook(TimeProvider time)
{
    private readonly ConcurrentDictionary<ModelKey, DemandMeter> _meters = new();

    /// <summary>Counts a request until the result is disposed.</summary>
    public IDisposable Count(ModelKey model)
    {
        DemandMeter meter = Meter(model);
        meter.Begin();
        return new Counted(meter.End);
    }

    /// <summary>Counts a request, which is counted by <see cref="Count"/> too, as waiting for a worker until the result is disposed.</summary>
    public IDisposable CountHeld(ModelKey model)
    {
        DemandMeter meter = Meter(model);
        meter.BeginHold();
        return new Counted(meter.EndHold);
    }

    /// <summary>Forgets models that are no more.</summary>
    public void Keep(IReadOnlyCollection<ModelKey> existing)
    {
        foreach ((ModelKey model, DemandMeter meter) in _meters)
        {
            if (!existing.Contains(model) && meter.Read().Requests == 0)
                _meters.TryRemove(model, out _);
        }
    }

    public DemandReport Report() => new()
    {
        Models = [.. _meters.OrderBy(entry => entry.Key.Namespace, StringComparer.Ordinal).ThenBy(entry => entry.Key.Name, StringComparer.Ordinal).Select(entry =>
        {
            (int requests, double average, TimeSpan? idle) = entry.Value.Read();
            return new ModelDemand
            {
                Namespace = entry.Key.Namespace,
                Model = entry.Key.Name,
                Requests = requests,
                Held = entry.Value.Held,
                Average = Math.Round(average, 3),
                IdleSeconds = idle is { } since ? Math.Round(since.TotalSeconds, 3) : null,
            };
        })],
    };

    private DemandMeter Meter(ModelKey model) => _meters.GetOrAdd(model, _ => new DemandMeter(time));

    private sealed class Counted(Action end) : IDisposable
    {
        private int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) == 0)
                end();
        }
    }
}
