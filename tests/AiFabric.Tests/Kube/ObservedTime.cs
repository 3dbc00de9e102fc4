using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Kube;

/// <summary>A fake clock that tells which timers were set, so that a test advances it only when someone is waiting.</summary>
internal sealed class ObservedTime() : FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero))
{
    private readonly Lock _lock = new();
    private readonly List<TimeSpan> _delays = [];

    /// <summary>The due times of all one-shot timers set so far, in order.</summary>
    public TimeSpan[] Delays
    {
        get
        {
            lock (_lock)
                return [.. _delays];
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ITimer timer = base.CreateTimer(callback, state, dueTime, period);
        if (dueTime >= TimeSpan.Zero)
        {
            lock (_lock)
                _delays.Add(dueTime);
        }
        return timer;
    }

    /// <summary>Waits until <paramref name="count"/> timers of that length were set in all.</summary>
    public Task WaitForDelayAsync(TimeSpan delay, int count = 1) =>
        Until.TrueAsync(() => Delays.Count(d => d == delay) >= count, $"{count} timers of {delay}; there were {string.Join(", ", Delays)}");
}

/// <summary>Waits for what other threads are about to do.</summary>
internal static class Until
{
    public static async Task TrueAsync(Func<bool> condition, string what = "the condition")
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            if (TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromSeconds(20))
                Assert.Fail($"Waited 20 s in vain for {what}.");
            await Task.Delay(1);
        }
    }
}
