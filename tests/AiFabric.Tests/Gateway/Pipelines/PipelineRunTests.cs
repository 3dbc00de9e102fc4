using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

public sealed class PipelineRunTests
{
    private const string Request = "a11. b22; c33. d44; a55. b66; ";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Runs_answer_as_the_sequential_reference_does_over_10000_random_graphs(bool isBarrier)
    {
        int answers = 0, cancelled = 0, closes = 0;
        Parallel.For(0, 10_000, seed =>
        {
            PipelineGraph graph = RandomGraphs.Draw(new Random(seed));
            var world = new UnrulyWorld(graph, new Random(~seed), isBarrier);
            string answer = world.Answer(Request);
            string expected = new SequentialReference(graph, Request).Answer();
            Assert.True(expected == answer, $"seed {seed}: '{answer}', not '{expected}', of {string.Join(", ", graph.Nodes.Select(Text))}");
            Assert.Null(world.End!.FailedStage);
            // Nothing is asked for twice: no call, no item of a group, no closing of one.
            Assert.All(world.Asked, asked => Assert.True(asked.Value == 1, $"seed {seed}: {asked.Key} {asked.Value} times"));
            Interlocked.Add(ref answers, answer.Length > 0 ? 1 : 0);
            Interlocked.Add(ref cancelled, world.Cancelled);
            Interlocked.Add(ref closes, world.Asked.Keys.Count(effect => effect is RunEffect.Close));
        });
        // The graphs are worth running: most answer something, and cancelling and folding are met often.
        Assert.True(answers > 4_000, $"{answers} answers");
        Assert.True(closes > 2_000, $"{closes} groups closed");
        if (!isBarrier)
            Assert.True(cancelled > 1_000, $"{cancelled} cancelled");
    }

    private static string Text(GraphNode node) => $"{node.Stage} {node.Kind}({string.Join(' ', node.Inputs)}) {node.Cut?.Kind}{node.Filter}{node.Join}";
}
