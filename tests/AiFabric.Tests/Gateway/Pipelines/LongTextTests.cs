using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Pipelines.Text;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

/// <summary>Texts that are longer than a run holds: it ends with the stage's name, and loses nothing in silence.</summary>
public sealed class LongTextTests
{
    private static readonly string Long = new('x', ItemText.MaxLength);

    [Fact]
    public void A_request_that_is_too_long_ends_the_run()
    {
        PipelineRun run = Run(ordered: true);
        IReadOnlyList<RunEffect> effects = run.Begin(Long + "y");
        Assert.Equal("request", run.End!.FailedStage);
        Assert.Contains("longer than", run.End.Reason, StringComparison.Ordinal);
        Assert.IsType<RunEffect.Finished>(Assert.Single(effects));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_join_whose_parts_are_too_long_together_fails_and_the_rest_is_cancelled(bool ordered)
    {
        PipelineRun run = Run(ordered);
        var begun = run.Begin("a;b;c").OfType<RunEffect.Start>().Select(start => start.Work).ToList();
        Say(run, begun[0], Long);
        Assert.Null(run.End);
        IReadOnlyList<RunEffect> effects = Say(run, begun[1], "one more");
        Assert.Equal("report", run.End!.FailedStage);
        Assert.Contains(begun[2], effects.OfType<RunEffect.Cancel>().Select(cancel => cancel.Work));
        Assert.Single(effects.OfType<RunEffect.Finished>());
        Assert.DoesNotContain(effects, effect => effect is RunEffect.Output);
    }

    private static IReadOnlyList<RunEffect> Say(PipelineRun run, Work work, string text) =>
        [.. run.Feed(new RunEvent.Piece(work, 0, text)), .. run.Feed(new RunEvent.Ended(work, text.Length))];

    private static PipelineRun Run(bool ordered) => new(new PipelineGraph(
        [
            new() { Stage = "request", Kind = NodeKind.Source },
            new() { Stage = "parts", Kind = NodeKind.Split, Inputs = [0], Cut = new CutRule(CutKind.Delimiter, ";") },
            new() { Stage = "check", Kind = NodeKind.Call, Inputs = [1] },
            new() { Stage = "report", Kind = NodeKind.Join, Inputs = [2], Join = new JoinRule(Ordered: ordered) },
        ],
        3));
}
