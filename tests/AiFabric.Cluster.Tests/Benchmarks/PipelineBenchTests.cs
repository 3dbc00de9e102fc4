using AiFabric.Benchmarks.Pipelines;
using AiFabric.Crds.Pipelines;
using Xunit;

namespace AiFabric.Cluster.Tests.Benchmarks;

public sealed class PipelineBenchTests
{
    private static readonly EmulatedSetting Every = new("every", MeasuredPass.A100, Aggregate.EveryVerdict);
    private static readonly EmulatedWay Streaming = new(PipelineExecution.Streaming);
    private static readonly EmulatedWay Barrier = new(PipelineExecution.Barrier);

    [Fact]
    public void The_same_seed_gives_the_same_figures_and_every_request_is_served()
    {
        IReadOnlyList<Served> one = EmulatedCluster.Run(Every, Streaming, 2, 100, seed: 3);
        Assert.Equal(one, EmulatedCluster.Run(Every, Streaming, 2, 100, seed: 3));
        Assert.Equal(90, one.Count(request => request.End > 0));
        Assert.Equal(90, EmulatedCluster.Run(Every, Barrier, 2, 100, seed: 3).Count(request => request.End > 0));
    }

    [Fact]
    public void Alone_no_request_is_faster_than_its_tokens_are_and_streaming_takes_less_time_than_barriers()
    {
        IReadOnlyList<Served> streaming = EmulatedCluster.Run(Every, Streaming, 0.01, 60, seed: 1);
        IReadOnlyList<Served> barrier = EmulatedCluster.Run(Every, Barrier, 0.01, 60, seed: 1);
        var random = new Random(1);
        CheckedRequest[] requests = [.. Enumerable.Range(0, 60).Select(_ => { random.NextDouble(); return new CheckedRequest(random); })];
        double fastest = MeasuredPass.A100.Dense(8) / 1e3;

        Assert.True(streaming.Average(served => served.End) < barrier.Average(served => served.End));
        foreach ((CheckedRequest request, Served one, Served other) in requests.Skip(6).Zip(streaming, barrier))
        {
            int last = request.Answer.Sentences - 1, claims = request.ClaimsOf(last);
            int tokens = request.Answer.Tokens + (claims == 0 ? 2 : (claims * FactoolTrace.Claim) + (2 * FactoolTrace.Query) + request.VerdictTokens(last, claims - 1));
            double path = (tokens * fastest) + (claims == 0 ? 0 : FactCheck.SearchSeconds);
            Assert.InRange(one.End, path, double.MaxValue);
            Assert.InRange(other.End, path, double.MaxValue);
        }
    }

    [Fact]
    public void The_aggregate_that_needs_one_false_verdict_is_never_slower_than_the_one_that_needs_all()
    {
        IReadOnlyList<Served> all = EmulatedCluster.Run(Every, Streaming, 0.01, 60, seed: 1);
        IReadOnlyList<Served> first = EmulatedCluster.Run(Every with { Aggregate = Aggregate.AllTrue }, Streaming, 0.01, 60, seed: 1);
        Assert.All(first.Zip(all), pair => Assert.InRange(pair.First.End, 0, pair.Second.End + 1e-9));
        Assert.Contains(first.Zip(all), pair => pair.First.End < pair.Second.End / 2);
    }

    [Fact]
    public void Beyond_saturation_the_order_by_age_shortens_the_tail()
    {
        double Tail(CallOrder order) => Latencies.Of(EmulatedCluster.Run(Every, Streaming with { Order = order }, 8, 300, seed: 1)).P95;
        Assert.True(Tail(CallOrder.ByAge) < Tail(CallOrder.ByCall));
        Assert.Equal(Tail(CallOrder.ByAge), Tail(CallOrder.Gateway)); // Where every verdict is wanted no call can be spared.
    }

    [Fact]
    public void Where_one_verdict_can_end_a_request_calls_that_wait_for_those_before_them_shorten_everything_beyond_saturation()
    {
        Latencies Of(CallOrder order) => Latencies.Of(EmulatedCluster.Run(Every with { Aggregate = Aggregate.AllTrue }, Streaming with { Order = order }, 4.5, 600, seed: 1));
        (Latencies gateway, Latencies age, Latencies call) = (Of(CallOrder.Gateway), Of(CallOrder.ByAge), Of(CallOrder.ByCall));
        Assert.True(gateway.P50 < age.P50 && gateway.P50 < call.P50);
        Assert.True(gateway.P95 < age.P95 && gateway.P95 < call.P95);
        Assert.True(gateway.P99 < age.P99 && gateway.P99 < call.P99);
    }

    [Fact]
    public void An_iteration_takes_what_was_measured_and_between_two_measurements_what_lies_between()
    {
        Assert.Equal(9.77, MeasuredPass.A100.Dense(64), 6);
        Assert.Equal((12.35 + 17.95) / 2, MeasuredPass.A100.Dense(192), 6);
        Assert.Throws<ArgumentOutOfRangeException>(() => MeasuredPass.A100.Dense(2_000));
    }

    [Fact]
    public void The_throughput_is_the_load_at_which_the_median_reaches_the_target_and_a_target_that_barriers_never_meet_has_no_ratio()
    {
        static Latencies At(double p50, double p99) => new(p50, p50, p99, p50);
        PipelineRow row = PipelineBench.Row("x", 4, [
            new LoadPoint(1, At(1, 2), At(3, 6)), new LoadPoint(2, At(2, 3), At(5, 9)), new LoadPoint(3, At(3, 4), At(3, 9)), new LoadPoint(4, At(5, 6), At(9, 9))]);
        Assert.Equal((3.5 / 1.5, 3), (row.ThroughputRatio!.Value, row.P99Ratio));
        TargetPoint low = Assert.Single(row.Targets, point => point.Seconds == 3);
        Assert.Equal((3, 1), (low.Streaming, low.Barrier));
        Assert.Null(PipelineBench.Row("x", 2, row.Loads).ThroughputRatio);
    }
}
