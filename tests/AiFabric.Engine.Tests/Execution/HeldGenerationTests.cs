using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using Xunit;
using static AiFabric.Engine.Tests.Execution.EngineTestExtensions;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>A reader that does not read holds its own generation, and nobody else's.</summary>
public sealed class HeldGenerationTests : IDisposable
{
    private const int Tokens = 220;

    private readonly RandomModel model = new();

    public void Dispose() => model.Dispose();

    [Theory]
    [InlineData(8)]
    [InlineData(1)]
    public async Task A_generation_that_nobody_reads_waits_and_then_says_what_it_would_have_said(int places)
    {
        await using var engine = model.Start(o => o with { MaxRunningRequests = places });
        int[] wanted = [.. (await engine.Submit(Greedy(model.Prompt(5, 1), Tokens)).AllAsync()).Select(e => e.Token!.Value)];

        Generation unread = engine.Submit(Greedy(model.Prompt(5, 1), Tokens));
        // By the time that the second of these ends, the other one would have ended too.
        for (int i = 0; i < 2; i++)
            Assert.Equal(Tokens, (await engine.Submit(Greedy(model.Prompt(5, 2 + i), Tokens)).AllAsync()).Count);
        Assert.InRange(unread.Events.Count, 1, Sequence.MostUnread);

        Assert.Equal(wanted, (await unread.AllAsync()).Select(e => e.Token!.Value));
        Assert.Equal(512, engine.CurrentLoad.FreeBlocks);
    }

    [Fact]
    public async Task A_generation_that_is_held_can_be_cancelled_and_the_engine_stopped()
    {
        var engine = model.Start();
        Generation cancelled = engine.Submit(Greedy(model.Prompt(5, 1), Tokens)), left = engine.Submit(Greedy(model.Prompt(5, 2), Tokens));
        Assert.Equal(Tokens, (await engine.Submit(Greedy(model.Prompt(5, 3), Tokens)).AllAsync()).Count);

        cancelled.Dispose();
        Assert.Equal(FinishReason.Cancelled, (await cancelled.AllAsync())[^1].Finish);
        await engine.DisposeAsync();
        Assert.Equal(FinishReason.Cancelled, (await left.AllAsync())[^1].Finish);
    }
}
