using System.Net;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;
using Xunit;

namespace AiFabric.Tests.Kube;

public sealed class LeaderElectorTests : IDisposable
{
    private readonly FakeApiServer _server = new();
    private readonly ObservedTime _time = new();
    private readonly KubeMetrics _metrics = new(Metrics.NewCustomRegistry());
    private readonly CancellationTokenSource _stop = new();
    private int _leading;

    public void Dispose()
    {
        _stop.Dispose();
        _server.Dispose();
    }

    [Fact]
    public async Task Free_lease_is_taken_renewed_and_released_on_stop()
    {
        Task<LeadershipEnd> run = Run("one");
        await Until.TrueAsync(() => _leading == 1);
        Assert.Equal("one", Lease().HolderIdentity);
        Assert.Equal(15, Lease().LeaseDurationSeconds);
        Assert.Equal(1, _metrics.LeaderElectionMaster.WithLabels("op").Value);

        DateTime? first = Lease().RenewTime;
        await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2));
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => Lease().RenewTime > first);

        await _stop.CancelAsync();
        Assert.Equal(LeadershipEnd.Stopped, await run);
        Assert.Equal(0, _leading);
        Assert.Equal("", Lease().HolderIdentity);
        Assert.Equal(0, _metrics.LeaderElectionMaster.WithLabels("op").Value);
    }

    [Fact]
    public async Task Second_waits_until_the_lease_did_not_change_for_its_duration_and_counts_the_transition()
    {
        // The holder's clock is a day ahead: only how long the record stands still may count.
        Hold("other", _time.GetUtcNow().UtcDateTime.AddDays(1));
        Task<LeadershipEnd> run = Run("two");
        for (int i = 1; i <= 7; i++)
        {
            await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2), i);
            Assert.Equal(0, _leading);
            _time.Advance(TimeSpan.FromSeconds(2));
        }
        await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2), 8);
        Assert.Equal(0, _leading);
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => _leading == 1);
        Assert.Equal(("two", 4), (Lease().HolderIdentity, Lease().LeaseTransitions));
        await _stop.CancelAsync();
        await run;
    }

    [Fact]
    public async Task Leader_that_cannot_renew_within_the_deadline_stops_its_work()
    {
        Task<LeadershipEnd> run = Run("one");
        await Until.TrueAsync(() => _leading == 1);
        for (int i = 0; i < 5; i++)
            _server.FailNext(_ => true, HttpStatusCode.InternalServerError, "InternalError");
        for (int i = 1; i <= 5; i++)
        {
            await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2), i);
            _time.Advance(TimeSpan.FromSeconds(2));
        }
        Assert.Equal(LeadershipEnd.Lost, await run);
        Assert.Equal(0, _leading);
    }

    [Fact]
    public async Task Leader_whose_request_is_never_answered_stops_at_the_deadline()
    {
        Task<LeadershipEnd> run = Run("one", slow: true);
        await Until.TrueAsync(() => _leading == 1);
        await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2));
        _slowNow = true;
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => _hanging == 1);
        _time.Advance(TimeSpan.FromSeconds(5)); // Half of the deadline is one request's.
        await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2), 2);
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => _hanging == 2);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(LeadershipEnd.Lost, await run);
    }

    [Fact]
    public async Task One_request_that_is_never_answered_costs_neither_the_turn_nor_the_lease()
    {
        _slowNow = true;
        Task<LeadershipEnd> run = Run("one", slow: true);
        await Until.TrueAsync(() => _hanging == 1);
        _slowNow = false;
        _time.Advance(TimeSpan.FromSeconds(5));
        await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2));
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => _leading == 1);

        DateTime? taken = Lease().RenewTime;
        await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2), 2);
        _slowNow = true;
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => _hanging == 2);
        _slowNow = false;
        _time.Advance(TimeSpan.FromSeconds(5));
        await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2), 3);
        _time.Advance(TimeSpan.FromSeconds(2));
        await Until.TrueAsync(() => Lease().RenewTime > taken);
        await _stop.CancelAsync();
        Assert.Equal(LeadershipEnd.Stopped, await run);
    }

    [Fact]
    public async Task Leader_that_sees_another_holder_stops_at_once()
    {
        Task<LeadershipEnd> run = Run("one");
        await Until.TrueAsync(() => _leading == 1);
        Hold("thief", _time.GetUtcNow().UtcDateTime);
        await _time.WaitForDelayAsync(TimeSpan.FromSeconds(2));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(LeadershipEnd.Lost, await run);
        Assert.Equal("thief", Lease().HolderIdentity);
    }

    [Fact]
    public async Task Lease_times_are_written_with_six_digits_also_on_a_whole_second()
    {
        Task<LeadershipEnd> run = Run("one");
        await Until.TrueAsync(() => _leading == 1);
        string body = _server.Seen(r => r.Method == "POST")[0].Body!;
        Assert.Matches(@"""renewTime"":""2026-01-01T00:00:00\.\d{6}Z""", body);
        await _stop.CancelAsync();
        await run;
    }

    [Fact]
    public void Times_that_do_not_fit_each_other_are_refused() =>
        Assert.Throws<ArgumentException>(() => new LeaderElector(
            _server.Client(), new LeaderElectionOptions { LeaseName = "op", RenewDeadline = TimeSpan.FromSeconds(20) }, _time, _metrics,
            NullLogger<LeaderElector>.Instance));

    private volatile bool _slowNow;
    private int _hanging;

    private V1LeaseSpec Lease() => _server.Find<V1Lease>("op", "default")!.Spec;

    private void Hold(string holder, DateTime renewed) => _server.Put(new V1Lease
    {
        Metadata = new V1ObjectMeta { Name = "op", NamespaceProperty = "default" },
        Spec = new V1LeaseSpec { HolderIdentity = holder, LeaseDurationSeconds = 15, RenewTime = renewed, AcquireTime = renewed, LeaseTransitions = 3 },
    });

    private Task<LeadershipEnd> Run(string identity, bool slow = false)
    {
        var options = new LeaderElectionOptions { LeaseName = "op", Identity = identity };
        KubernetesClient client = slow
            ? new(new() { Host = "http://fake.invalid" }, _metrics, NullLogger<KubernetesClient>.Instance, new Hanging(this), _server)
            : _server.Client();
        var elector = new LeaderElector(client, options, _time, _metrics, NullLogger<LeaderElector>.Instance);
        return Task.Run(() => elector.RunAsync(
            async cancellationToken =>
            {
                Interlocked.Increment(ref _leading);
                try
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                }
                finally
                {
                    Interlocked.Decrement(ref _leading);
                }
            },
            _stop.Token));
    }

    private sealed class Hanging(LeaderElectorTests test) : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (test._slowNow)
            {
                Interlocked.Increment(ref test._hanging);
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }
            return await base.SendAsync(request, cancellationToken);
        }
    }
}
