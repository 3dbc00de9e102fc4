using AiFabric.Gateway.Pipelines.Execution;
using Xunit;

namespace AiFabric.Tests.Gateway.Pipelines;

public sealed class FunctionPlacesTests
{
    [Fact]
    public async Task A_free_place_goes_to_the_oldest_request_and_equals_go_in_turn()
    {
        var places = new FunctionPlaces();
        IDisposable taken = await places.EnterAsync("replica", 1, since: 50, CancellationToken.None);
        ValueTask<IDisposable>[] waiting = [.. new long[] { 40, 30, 10, 30 }.Select(since => places.EnterAsync("replica", 1, since, CancellationToken.None))];
        Assert.Equal(5, places.Load("replica"));
        var served = new HashSet<int>();

        foreach (int next in (int[])[2, 1, 3, 0])
        {
            Assert.DoesNotContain(waiting.Where((_, i) => !served.Contains(i)), turn => turn.IsCompleted);
            taken.Dispose();
            taken.Dispose(); // Gives nothing back twice.
            taken = await waiting[next].AsTask().WaitAsync(TimeSpan.FromSeconds(30));
            served.Add(next);
        }
        taken.Dispose();
        Assert.Equal(0, places.Load("replica"));
    }

    [Fact]
    public async Task Who_gives_up_takes_no_place_and_other_replicas_are_not_waited_for()
    {
        var places = new FunctionPlaces();
        IDisposable taken = await places.EnterAsync("replica", 1, 1, CancellationToken.None);
        using var gone = new CancellationTokenSource();
        Task<IDisposable> first = places.EnterAsync("replica", 1, 1, gone.Token).AsTask();
        Task<IDisposable> second = places.EnterAsync("replica", 1, 2, CancellationToken.None).AsTask();
        (await places.EnterAsync("another", 1, 3, CancellationToken.None)).Dispose();

        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        Assert.False(second.IsCompleted);
        taken.Dispose();

        (await second.WaitAsync(TimeSpan.FromSeconds(30))).Dispose();
        Assert.Equal(0, places.Load("replica"));
    }
}
