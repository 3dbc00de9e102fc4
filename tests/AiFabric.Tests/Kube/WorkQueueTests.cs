using AiFabric.Kube;
using CsCheck;
using Prometheus;
using Xunit;

namespace AiFabric.Tests.Kube;

public sealed class WorkQueueTests : IDisposable
{
    private readonly ObservedTime _time = new();
    private readonly RateLimitOptions _options = new();
    private readonly WorkQueue<string> _queue;

    public WorkQueueTests() => _queue = new("test", _options, _time, new KubeMetrics(Metrics.NewCustomRegistry()));

    public void Dispose() => _queue.Dispose();

    [Fact]
    public async Task Key_added_twice_waits_once()
    {
        _queue.Add("a");
        _queue.Add("a");
        _queue.Add("b");
        Assert.Equal(2, _queue.Depth);
        Assert.Equal("a", await _queue.GetAsync(default));
        Assert.Equal("b", await _queue.GetAsync(default));
    }

    [Fact]
    public async Task Key_is_never_with_two_workers_and_one_added_meanwhile_follows()
    {
        _queue.Add("a");
        await _queue.GetAsync(default);
        _queue.Add("a");
        Assert.Equal(0, _queue.Depth);
        Task<string> second = _queue.GetAsync(default);
        Assert.False(second.IsCompleted);
        _queue.Done("a");
        Assert.Equal("a", await second);
        _queue.Done("a");
        Assert.Equal(0, _queue.Depth);
    }

    [Fact]
    public void Delay_is_honoured_to_the_tick()
    {
        _queue.AddAfter("a", TimeSpan.FromSeconds(30));
        _time.Advance(TimeSpan.FromSeconds(30) - TimeSpan.FromTicks(1));
        Assert.Equal(0, _queue.Depth);
        _time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal(1, _queue.Depth);
    }

    [Fact]
    public async Task Immediate_work_on_a_key_does_not_swallow_its_pending_delay()
    {
        _queue.AddAfter("a", TimeSpan.FromSeconds(30));
        _queue.Add("a");
        await _queue.GetAsync(default);
        _queue.Done("a");
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(1, _queue.Depth);
    }

    [Fact]
    public async Task Of_several_delays_of_a_key_the_earliest_holds()
    {
        _queue.AddAfter("a", TimeSpan.FromSeconds(30));
        _queue.AddAfter("a", TimeSpan.FromSeconds(10));
        _queue.AddAfter("a", TimeSpan.FromSeconds(20));
        _time.Advance(TimeSpan.FromSeconds(10));
        await _queue.GetAsync(default);
        _queue.Done("a");
        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(0, _queue.Depth);
    }

    [Fact]
    public void Delays_beyond_a_timers_reach_are_honoured()
    {
        _queue.AddAfter("a", TimeSpan.FromDays(100));
        _time.Advance(TimeSpan.FromDays(99));
        Assert.Equal(0, _queue.Depth);
        _time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(1, _queue.Depth);
    }

    [Fact]
    public void Failures_of_a_key_double_its_delay_until_it_is_forgotten()
    {
        double[] expected = [5, 10, 20, 40, 80];
        foreach (double milliseconds in expected)
        {
            _queue.AddRateLimited("a");
            Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), Delay());
        }
        Assert.Equal(5, _queue.Failures("a"));
        _queue.Forget("a");
        _queue.AddRateLimited("a");
        Assert.Equal(TimeSpan.FromMilliseconds(5), Delay());
    }

    [Fact]
    public void Delay_of_a_key_that_fails_for_ever_stays_within_its_bound()
    {
        var limiter = new RetryLimiter<string>(new RateLimitOptions { RetriesPerSecond = 1e6, Burst = 1_000_000 }, _time);
        TimeSpan last = default;
        for (int i = 0; i < 5000; i++)
            last = limiter.Next("a");
        Assert.Equal(TimeSpan.FromSeconds(1000), last);
    }

    [Fact]
    public void Retries_over_all_keys_hold_the_overall_rate_after_the_burst()
    {
        var bucket = new TokenBucket(10, 100, _time);
        for (int i = 0; i < 100; i++)
            Assert.Equal(TimeSpan.Zero, bucket.Reserve());
        Assert.Equal(TimeSpan.FromMilliseconds(100), bucket.Reserve());
        Assert.Equal(TimeSpan.FromMilliseconds(200), bucket.Reserve());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(TimeSpan.Zero, bucket.Reserve());
    }

    [Fact]
    public async Task Waiting_worker_can_be_cancelled_and_takes_no_key_with_it()
    {
        using var stop = new CancellationTokenSource();
        Task<string> waiting = _queue.GetAsync(stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        _queue.Add("a");
        Assert.Equal("a", await _queue.GetAsync(default));
    }

    [Fact]
    public Task Any_order_of_calls_serves_every_added_key_and_none_twice_at_once() =>
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3]).Array[0, 60].SampleAsync(async steps =>
        {
            using var queue = new WorkQueue<int>("any", _options, _time, new KubeMetrics(Metrics.NewCustomRegistry()));
            var held = new HashSet<int>();
            var owed = new HashSet<int>();
            foreach ((int step, int key) in steps)
            {
                if (step is 0 or 1)
                {
                    queue.Add(key);
                    owed.Add(key);
                }
                else if (step == 2 && queue.Depth > 0)
                {
                    int got = await queue.GetAsync(default);
                    Assert.True(held.Add(got));
                    owed.Remove(got);
                }
                else if (held.Remove(key))
                {
                    queue.Done(key);
                }
                Assert.Equal(owed.Count(k => !held.Contains(k)), queue.Depth);
            }
        });

    /// <summary>Advances in milliseconds until the key is ready, and takes it.</summary>
    private TimeSpan Delay()
    {
        TimeSpan waited = TimeSpan.Zero;
        while (_queue.Depth == 0)
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            waited += TimeSpan.FromMilliseconds(1);
        }
        Task<string> key = _queue.GetAsync(default);
        Assert.True(key.IsCompletedSuccessfully);
        _queue.Done("a");
        return waited;
    }
}
