using AiFabric.Engine.Requests;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>Requests for several answers.</summary>
public sealed class SeveralChoicesTests
{
    [Fact]
    public async Task A_choice_that_a_stop_string_ended_is_not_computed_until_the_last_one_ends()
    {
        int asked = -1; // The first is the worker's own, which warms up.
        var goOn = new TaskCompletionSource();
        var backend = new ScriptedBackend
        {
            Play = async (_, output, cancellationToken) =>
            {
                int choice = Interlocked.Increment(ref asked);
                ScriptedBackend.Say(output, choice == 1 ? "go END" : "on");
                await (choice == 1 ? Task.Delay(Timeout.Infinite, cancellationToken) : choice == 2 ? goOn.Task : Task.CompletedTask);
                output.TryWrite(new TokenEvent { Token = '!', Finish = FinishReason.Length });
            },
        };
        await using var worker = await RunningWorker.StartAsync(backend);
        var streaming = worker.StreamAsync(
            "/v1/chat/completions", new { model = "demo", messages = new[] { new { role = "user", content = "Hi" } }, n = 2, stop = "END", stream = true });
        await RunningWorker.EventuallyAsync(() => Task.FromResult(backend.Cancelled == 1), "the first choice is cancelled");
        goOn.SetResult();
        Assert.Equal("go on!".Order(), RunningWorker.TextOf(await streaming).Order());
    }
}
