using AiFabric.Gateway.Pipelines.Execution;
using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Pipelines.Text;
using AiFabric.Protocol.OpenAI;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

/// <summary>Calls that an earlier call's answer may make needless wait behind it.</summary>
public sealed class SparingTests
{
    private const int Check = 2;

    [Theory]
    [InlineData(1, true, "0,1,2")] // First.
    [InlineData(1, false, "0,1,2")] // Any.
    [InlineData(2, false, "0,1,2")] // Two of them.
    [InlineData(int.MaxValue, true, "0,0,0")] // All are wanted: none is spared.
    public void Calls_know_how_many_before_them_may_spare_them(int take, bool ordered, string before) =>
        Assert.Equal(before, Before(new PipelineRun(Graph(new JoinRule(take, ordered)))));

    [Fact]
    public void Behind_a_barrier_nothing_is_spared() => Assert.Equal("0,0,0", Before(new PipelineRun(Graph(new JoinRule(1)), isBarrier: true)));

    [Fact]
    public void A_call_that_somebody_else_waits_for_is_not_spared()
    {
        PipelineGraph graph = Graph(new JoinRule(1));
        var both = new PipelineGraph(
            [
                .. graph.Nodes,
                new() { Stage = "all", Kind = NodeKind.Join, Inputs = [Check], Join = new JoinRule() },
                new() { Stage = "both", Kind = NodeKind.Join, Inputs = [graph.Output, graph.Nodes.Count], Join = new JoinRule() },
            ],
            graph.Nodes.Count + 1);
        Assert.Equal((true, false), (graph.MaySpare(Check), both.MaySpare(Check)));
        Assert.False(graph.MaySpare(graph.Output));
    }

    [Fact]
    public void A_later_turn_is_the_same_request_that_came_later()
    {
        var time = new FakeTimeProvider();
        var request = new RunContext("run", "tenant", time, session: 7);
        RunContext turn = request.Later(TimeSpan.FromSeconds(2)), third = turn.Later(TimeSpan.FromSeconds(1));
        Assert.Same(request, request.Later(TimeSpan.Zero));
        Assert.True(request.Since < turn.Since && turn.Since < third.Since);
        Assert.Equal(TimeSpan.Zero, turn.Age);
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal([5, 3, 2], new[] { request, turn, third }.Select(context => context.Age.TotalSeconds));
        third.Count(new Usage { PromptTokens = 3, CompletionTokens = 2, TotalTokens = 5 });
        Assert.Equal((5, "run", "tenant", 7ul), (request.Usage.TotalTokens, third.Id, third.Tenant, third.Session!.Value));
    }

    [Fact]
    public void A_pace_follows_what_calls_take()
    {
        var pace = new CallPace();
        Assert.Equal(TimeSpan.Zero, pace.Mean);
        pace.Add(TimeSpan.FromSeconds(1));
        Assert.Equal(1, pace.Mean.TotalSeconds);
        foreach (int _ in Enumerable.Range(0, 100))
            pace.Add(TimeSpan.FromSeconds(3));
        Assert.Equal(3, pace.Mean.TotalSeconds, 3);
    }

    private static string Before(PipelineRun run) => string.Join(',', run.Begin("a;b;c").OfType<RunEffect.Start>().Select(start => start.Before));

    private static PipelineGraph Graph(JoinRule rule) => new(
        [
            new() { Stage = "request", Kind = NodeKind.Source },
            new() { Stage = "parts", Kind = NodeKind.Split, Inputs = [0], Cut = new CutRule(CutKind.Delimiter, ";") },
            new() { Stage = "check", Kind = NodeKind.Call, Inputs = [1] },
            new() { Stage = "false", Kind = NodeKind.Filter, Inputs = [Check], Filter = new FilterRule(FilterKind.Contains, "False") },
            new() { Stage = "report", Kind = NodeKind.Join, Inputs = [3], Join = rule },
        ],
        4);
}
