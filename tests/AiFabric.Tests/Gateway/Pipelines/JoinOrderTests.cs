using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Pipelines.Text;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

/// <summary>Joins whose answer depends on what completes first, which no sequential reference can tell.</summary>
public sealed class JoinOrderTests
{
    private const int Check = 2;
    private readonly List<string> _cancelled = [];
    private string _answer = "";

    [Theory]
    [InlineData(int.MaxValue, true, "a1|b2|c3", "")] // All, in order: a later one waits for its turn.
    [InlineData(int.MaxValue, false, "c3|a1|b2", "")] // All, as they complete.
    [InlineData(1, true, "a1", "1")] // First: the lowest index, however late. (2 has completed by then.)
    [InlineData(1, false, "c3", "0,1")] // Any: whichever completes first.
    [InlineData(2, true, "a1|b2", "")] // 2 of 3, in order.
    [InlineData(2, false, "c3|a1", "1")] // 2 of 3, as they complete.
    public void Joins_take_as_many_as_they_need_in_their_order_and_cancel_the_rest(int take, bool ordered, string answer, string cancelled)
    {
        PipelineRun run = Run(new JoinRule(take, ordered, "|"), "a;b;c");
        Say(run, 2, "c3");
        Say(run, 0, "a1");
        Say(run, 1, "b2");

        Assert.Equal(answer, _answer);
        Assert.Equal(cancelled, string.Join(',', _cancelled));
        Assert.Null(run.End!.FailedStage);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_join_of_more_than_there_are_takes_all(bool ordered)
    {
        PipelineRun run = Run(new JoinRule(5, ordered, "|"), "a;b");
        Say(run, 0, "a1");
        Say(run, 1, "b2");
        Assert.Equal("a1|b2", _answer);
        Assert.NotNull(run.End);
    }

    [Fact]
    public void A_join_in_order_streams_the_item_whose_turn_it_is_and_holds_the_others()
    {
        PipelineRun run = Run(new JoinRule(Separator: "|"), "a;b");
        Carry(run.Feed(new RunEvent.Piece(Work(1), 0, "late")));
        Assert.Equal("", _answer);
        Carry(run.Feed(new RunEvent.Piece(Work(0), 0, "ear")));
        Assert.Equal("ear", _answer);
        Carry(run.Feed(new RunEvent.Piece(Work(0), 3, "ly")));
        Carry(run.Feed(new RunEvent.Ended(Work(0), 5)));
        Assert.Equal("early|late", _answer);
    }

    [Fact]
    public void A_soft_stage_that_made_nothing_is_passed_over_and_counts_for_no_join()
    {
        PipelineRun run = Run(new JoinRule(1, Ordered: true, "|"), "a;b", isSoft: true);
        Carry(run.Feed(new RunEvent.Failed(Work(0), "lost")));
        Say(run, 1, "b2");
        Assert.Equal("b2", _answer);
        Assert.Equal((null, "check"), (run.End!.FailedStage, Assert.Single(run.End.Partial)));
    }

    [Fact]
    public void Parts_of_a_json_array_flow_on_one_by_one_as_they_are_whole()
    {
        var graph = new PipelineGraph(
            [
                new() { Stage = "request", Kind = NodeKind.Source },
                new() { Stage = "list", Kind = NodeKind.Call, Inputs = [0] },
                new() { Stage = "list", Kind = NodeKind.Split, Inputs = [1], Cut = new CutRule(CutKind.JsonElement) },
                new() { Stage = "check", Kind = NodeKind.Call, Inputs = [2] },
                new() { Stage = "report", Kind = NodeKind.Join, Inputs = [3], Join = new JoinRule() },
            ],
            4);
        var run = new PipelineRun(graph);
        var list = Assert.IsType<RunEffect.Start>(Assert.Single(run.Begin("go"), effect => effect is RunEffect.Start)).Work;

        IReadOnlyList<RunEffect> early = run.Feed(new RunEvent.Piece(list, 0, "[\"one\", {\"two\":"));

        Assert.Equal(["one"], early.OfType<RunEffect.Start>().Select(start => Assert.Single(start.Inputs)));
        IReadOnlyList<RunEffect> late = run.Feed(new RunEvent.Piece(list, 15, " 2}]"));
        Assert.Equal(["{\"two\": 2}"], late.OfType<RunEffect.Start>().Select(start => Assert.Single(start.Inputs)));
    }

    private PipelineRun Run(JoinRule rule, string request, bool isSoft = false)
    {
        var graph = new PipelineGraph(
            [
                new() { Stage = "request", Kind = NodeKind.Source },
                new() { Stage = "parts", Kind = NodeKind.Split, Inputs = [0], Cut = new CutRule(CutKind.Delimiter, ";") },
                new() { Stage = "check", Kind = NodeKind.Call, Inputs = [1], IsSoft = isSoft },
                new() { Stage = "report", Kind = NodeKind.Join, Inputs = [2], Join = rule },
            ],
            3);
        var run = new PipelineRun(graph);
        Carry(run.Begin(request));
        return run;
    }

    private static Work Work(int item) => new(Check, ItemPath.Of(item));

    private void Say(PipelineRun run, int item, string text)
    {
        Carry(run.Feed(new RunEvent.Piece(Work(item), 0, text)));
        Carry(run.Feed(new RunEvent.Ended(Work(item), text.Length)));
    }

    private void Carry(IReadOnlyList<RunEffect> effects)
    {
        foreach (RunEffect effect in effects)
        {
            if (effect is RunEffect.Output output)
                _answer += output.Text;
            else if (effect is RunEffect.Cancel cancel)
                _cancelled.Add(cancel.Work.Path.ToString());
        }
    }
}
