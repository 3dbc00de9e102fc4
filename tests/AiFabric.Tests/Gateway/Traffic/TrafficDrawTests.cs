using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Traffic;
using Xunit;

namespace AiFabric.Tests.Gateway.Traffic;

public sealed class TrafficDrawTests
{
    private static readonly ModelKey Model = new("team", "demo");

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1, 60, 140)]
    [InlineData(10, 850, 1_150)]
    [InlineData(50, 4_750, 5_250)]
    [InlineData(100, 10_000, 10_000)]
    public void A_share_takes_its_part_of_requests_and_of_sessions(int percent, int least, int most)
    {
        // Bounds are about four standard deviations and more of 10,000 draws.
        var draw = new TrafficDraw(7);
        Assert.InRange(Enumerable.Range(0, 10_000).Count(_ => draw.Takes(Share(percent), Model, isMirror: false, null)), least, most);
        Assert.InRange(Enumerable.Range(0, 10_000).Count(i => draw.Takes(Share(percent), Model, isMirror: false, Session(i))), least, most);
    }

    [Fact]
    public void The_same_seed_draws_the_same_and_another_another()
    {
        bool[] Drawn(ulong seed)
        {
            var draw = new TrafficDraw(seed);
            return [.. Enumerable.Range(0, 200).Select(_ => draw.Takes(Share(50), Model, isMirror: false, null))];
        }

        Assert.Equal(Drawn(1), Drawn(1));
        Assert.NotEqual(Drawn(1), Drawn(2));
    }

    [Fact]
    public void A_session_stays_on_its_side_whoever_draws_and_a_share_that_grows_keeps_whom_it_has()
    {
        (TrafficDraw one, TrafficDraw other) = (new TrafficDraw(1), new TrafficDraw(2));
        int moved = 0;
        for (int i = 0; i < 1_000; i++)
        {
            bool taken = one.Takes(Share(10), Model, isMirror: false, Session(i));
            Assert.Equal(taken, other.Takes(Share(10), Model, isMirror: false, Session(i)));
            Assert.Equal(taken, one.Takes(Share(10), Model, isMirror: false, Session(i)));
            bool later = one.Takes(Share(30), Model, isMirror: false, Session(i));
            Assert.True(later || !taken);
            moved += later && !taken ? 1 : 0;
        }
        Assert.InRange(moved, 140, 260);
    }

    [Fact]
    public void Models_and_mirrors_draw_apart()
    {
        var draw = new TrafficDraw(3);
        int[] sessions = [.. Enumerable.Range(0, 2_000).Where(i => draw.Takes(Share(50), Model, isMirror: false, Session(i)))];
        Assert.InRange(sessions.Count(i => draw.Takes(Share(50), Model, isMirror: true, Session(i))), 400, 600);
        Assert.InRange(sessions.Count(i => draw.Takes(Share(50), new ModelKey("team", "second"), isMirror: false, Session(i))), 400, 600);
    }

    private static TrafficShare Share(int percent) => new(new ModelKey("team", "next"), null, percent);

    private static ulong? Session(int number) => PromptDigester.SessionOf("tenant", $"session-{number}");
}
