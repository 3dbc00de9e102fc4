using AiFabric.Gateway.Holding;
using AiFabric.Gateway.Routing;
using Xunit;

namespace AiFabric.Tests.Gateway;

public sealed class WaitingLineTests
{
    private readonly WaitingLine _line = new(new HoldBounds(Requests: 4, RequestsPerModel: 3, Bytes: 100));

    [Fact]
    public void Who_came_first_goes_first_and_others_stay()
    {
        var order = new List<string>();
        Waiter[] waiters = [Make("a"), Make("b"), Make("a"), Make("a")];
        for (int i = 0; i < waiters.Length; i++)
        {
            Assert.Null(Enter(waiters[i]));
            string label = $"{waiters[i].Name.Text}{i}";
            _ = waiters[i].Ended.ContinueWith(
                _ => order.Add(label), TestContext.Current.CancellationToken, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        _line.Release(HoldEnd.Released, waiter => waiter.Name.Text == "a");
        Assert.Equal(["a0", "a2", "a3"], order);
        Assert.Equal((1, 10), _line.Size);
    }

    [Fact]
    public void Requests_of_one_model_of_all_and_their_bytes_are_bounded()
    {
        Waiter[] three = [Make("a"), Make("a"), Make("a")];
        Assert.All(three, waiter => Assert.Null(Enter(waiter)));
        Assert.Equal(HoldEnd.Full, Enter(Make("a")));
        Assert.Equal(HoldEnd.Full, Enter(Make("b", bytes: 71)));
        Assert.Null(Enter(Make("b", bytes: 70)));
        Assert.Equal(HoldEnd.Full, Enter(Make("c", bytes: 0)));

        _line.Leave(three[1], HoldEnd.TimedOut);
        Assert.Null(Enter(Make("a")));
    }

    [Fact]
    public async Task A_request_leaves_once_whatever_reasons_come_together()
    {
        Waiter waiter = Make("a");
        Enter(waiter);
        _line.Leave(waiter, HoldEnd.TimedOut);
        _line.Leave(waiter, HoldEnd.ClientGone);
        _line.Release(HoldEnd.Released, _ => true);
        Assert.Equal(HoldEnd.TimedOut, await waiter.Ended);
        Assert.Equal((0, 0), _line.Size);
    }

    [Fact]
    public void Nobody_enters_who_need_not_wait() => Assert.Equal(HoldEnd.Released, _line.Enter(Make("a"), () => false));

    [Fact]
    public async Task A_closed_line_lets_everybody_go_and_nobody_in()
    {
        Waiter waiter = Make("a");
        Enter(waiter);
        _line.Close();
        Assert.Equal(HoldEnd.Stopping, await waiter.Ended);
        Assert.Equal(HoldEnd.Stopping, Enter(Make("a")));
    }

    [Fact]
    public async Task Ten_thousand_that_come_and_go_leave_nothing_behind()
    {
        var line = new WaitingLine(new HoldBounds(int.MaxValue, int.MaxValue, long.MaxValue));
        Waiter[] waiters = [.. Enumerable.Range(0, 10_000).Select(i => Make($"m{i % 7}"))];
        await Parallel.ForEachAsync(waiters, TestContext.Current.CancellationToken, (waiter, _) =>
        {
            line.Enter(waiter, () => true);
            if (waiter.Name.Text is "m0" or "m1")
                line.Leave(waiter, HoldEnd.ClientGone);
            return ValueTask.CompletedTask;
        });
        line.Release(HoldEnd.Released, _ => true);
        Assert.All(waiters, waiter => Assert.True(waiter.Ended.IsCompleted));
        Assert.Equal((0, 0), line.Size);
    }

    private HoldEnd? Enter(Waiter waiter) => _line.Enter(waiter, () => true);

    private static Waiter Make(string model, long bytes = 10) => new(ModelName.Parse(model), new ModelKey("team", model), bytes);
}
