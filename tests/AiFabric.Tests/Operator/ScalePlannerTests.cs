using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Gateways;
using AiFabric.Operator.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class ScalePlannerTests
{
    private const int Min = 1, Max = 10, Target = 4, Delay = 60;

    private static readonly Check Silent = Check.Fail(Reasons.GatewayUnreachable, "gateway g1 does not tell its demand: refused");

    /// <summary>One look at a model that was looked at a second ago and was recommended what runs.</summary>
    [Theory]
    [InlineData(1, 0, 0, 0, 1)]
    [InlineData(1, 3, 3.0, 0, 1)]
    [InlineData(1, 4, 4.4, 0, 1)] // Within the tolerance.
    [InlineData(1, 5, 4.5, 0, 2)]
    [InlineData(2, 9, 8.5, 0, 3)]
    [InlineData(1, 50, 3.0, 0, 1)] // A burst is not a load.
    [InlineData(1, 12, 3.0, 12, 3)] // Held requests are.
    [InlineData(1, 100, 100.0, 0, 5)] // Four at once,
    [InlineData(6, 400, 400.0, 0, 10)] // or the double, up to the bound.
    public void Demand_decides_within_bounds(int running, int requests, double average, int held, int wanted) =>
        Assert.Equal(wanted, ScalePlanner.Plan(Input(running, new ModelDemandSum(requests, held, average, TimeSpan.Zero))).Replicas);

    [Theory]
    [InlineData(0, 0, false, 0)]
    [InlineData(1, 1, false, 1)]
    [InlineData(0, 0, true, 1)]
    public void A_model_at_zero_wakes_for_one_request_or_for_a_job(int requests, int held, bool hasJob, int wanted) => Assert.Equal(
        wanted,
        ScalePlanner.Plan(Input(0, new ModelDemandSum(requests, held, 0, null), min: 0) with { HasJob = hasJob }).Replicas);

    [Fact]
    public void Held_requests_start_as_many_replicas_as_they_need() => Assert.Equal(
        3, ScalePlanner.Plan(Input(0, new ModelDemandSum(10, 10, 0, TimeSpan.Zero), min: 0)).Replicas);

    [Fact]
    public void Replicas_go_only_when_fewer_were_enough_for_the_whole_delay()
    {
        var life = new Life(running: 3);
        life.Look(seconds: 10, average: 12);
        Assert.All(life.Look(seconds: Delay - 1, average: 1), replicas => Assert.Equal(3, replicas));
        life.Look(seconds: 1, average: 7); // The demand came back for a moment: two replicas are wanted for another delay.
        Assert.Equal(2, life.Look(seconds: 2, average: 1)[^1]);
        Assert.Equal(2, life.Look(seconds: Delay - 5, average: 1)[^1]);
        Assert.Equal(1, life.Look(seconds: 10, average: 1)[^1]);
    }

    [Fact]
    public void An_idle_model_sleeps_after_its_delay_and_not_before()
    {
        var life = new Life(running: 1, min: 0);
        life.Look(seconds: 5, average: 1, requests: 1);
        Assert.All(life.Look(seconds: Delay - 1, average: 0), replicas => Assert.Equal(1, replicas));
        Assert.Equal(0, life.Look(seconds: 3, average: 0)[^1]);
    }

    [Fact]
    public void A_model_asked_now_and_then_stays_awake_however_short_the_requests()
    {
        var life = new Life(running: 1, min: 0);
        for (int i = 0; i < 6; i++)
        {
            life.Look(seconds: 1, average: 0.01, idle: TimeSpan.FromSeconds(1));
            Assert.All(life.Look(seconds: Delay - 10, average: 0), replicas => Assert.Equal(1, replicas));
        }
    }

    [Fact]
    public void A_silent_gateway_keeps_every_replica_and_lets_known_demand_add_some()
    {
        ScaleInput idle = Input(3, ModelDemandSum.None) with { Complete = Silent, History = ScaleHistory.Empty.With(Make.Now.AddSeconds(-1), 0, 3, TimeSpan.FromHours(1)) };
        ScalePlan kept = ScalePlanner.Plan(idle);
        Assert.Equal((3, false, Reasons.GatewayUnreachable), (kept.Replicas, kept.Active, kept.Reason));
        Assert.Equal(5, ScalePlanner.Plan(idle with { Demand = new ModelDemandSum(20, 0, 20, TimeSpan.Zero) }).Replicas);

        // What could have happened meanwhile is unknown: the delay starts again once all answer.
        ScaleInput again = idle with { Complete = Check.Pass, History = kept.History, Now = Make.Now.AddSeconds(1) };
        Assert.Equal(3, ScalePlanner.Plan(again).Replicas);
    }

    [Fact]
    public void A_new_operator_takes_what_runs_for_wanted_and_waits_its_delay()
    {
        var life = new Life(running: 4, history: ScaleHistory.Empty);
        Assert.All(life.Look(seconds: Delay - 1, average: 0), replicas => Assert.Equal(4, replicas));
        Assert.Equal(1, life.Look(seconds: 5, average: 0)[^1]);
    }

    [Fact]
    public void After_a_gap_the_delay_starts_again()
    {
        var life = new Life(running: 4);
        life.Look(seconds: 1, average: 16);
        life.Look(seconds: Delay - 5, average: 0);
        life.Now += TimeSpan.FromMinutes(10);
        Assert.All(life.Look(seconds: Delay - 1, average: 0), replicas => Assert.Equal(4, replicas));
    }

    [Fact]
    public void Growth_is_bounded_over_fifteen_seconds()
    {
        var life = new Life(running: 1, max: 100);
        int[] all = life.Look(seconds: 40, average: 300);
        Assert.Equal((5, 5, 10, 20), (all[0], all[13], all[17], all[^1]));
    }

    [Theory]
    [InlineData(0, 5, 2)] // minReplicas raised
    [InlineData(8, 32, 3)] // maxReplicas lowered
    public void Changed_bounds_hold_at_once(int running, double average, int wanted) =>
        Assert.Equal(wanted, ScalePlanner.Plan(Input(running, new ModelDemandSum(0, 0, average, TimeSpan.Zero), min: 2, max: 3)).Replicas);

    [Theory]
    [InlineData(1, 1, 0, false, 1, Reasons.DemandWithinTarget)]
    [InlineData(0, 0, 0, false, 0, Reasons.ScaledToZero)]
    [InlineData(1, 0, 0, true, 0, Reasons.NeededByFinetuneJob)]
    [InlineData(10, 90, 90, false, 1, Reasons.LimitedByMax)]
    [InlineData(1, 30, 30, false, 1, Reasons.LimitedByRate)]
    public void The_reason_says_what_decides(int running, int requests, double average, bool hasJob, int min, string reason)
    {
        ScalePlan plan = ScalePlanner.Plan(Input(running, new ModelDemandSum(requests, 0, average, requests > 0 ? TimeSpan.Zero : null), min) with { HasJob = hasJob });
        Assert.Equal((true, reason), (plan.Active, plan.Reason));
    }

    [Fact]
    public void The_message_stays_while_the_demand_moves_within_the_same_replicas() => Assert.Equal(
        ScalePlanner.Plan(Input(1, new ModelDemandSum(1, 0, 1.1, TimeSpan.Zero))).Message,
        ScalePlanner.Plan(Input(1, new ModelDemandSum(3, 0, 2.7, TimeSpan.Zero))).Message);

    [Fact]
    public void A_history_holds_little_however_long_the_delay()
    {
        var random = new Random(7);
        ScaleHistory steady = ScaleHistory.Empty, wild = ScaleHistory.Empty;
        for (int i = 0; i < 10_000; i++)
        {
            DateTimeOffset now = Make.Now.AddSeconds(i);
            steady = steady.With(now, 3, 3, TimeSpan.FromDays(1));
            wild = wild.With(now, random.Next(10), random.Next(10), TimeSpan.FromDays(1));
        }
        Assert.Equal(2, steady.Count);
        Assert.True(wild.Count <= 20, $"{wild.Count} samples");
    }

    [Fact]
    public void Demand_of_several_gateways_adds_up()
    {
        var view = DemandView.Sum(
        [
            ("g0", Make.Demand(requests: 3, held: 1, average: 2.5, idle: 0), null),
            ("g1", Make.Demand(requests: 1, held: 0, average: 0.5, idle: 7), null),
        ]);
        Assert.True(view.Complete.Holds);
        Assert.Equal(new ModelDemandSum(4, 1, 3, TimeSpan.Zero), view.Of(new(Make.Space, "demo")));
        Assert.Equal(ModelDemandSum.None, view.Of(new(Make.Space, "other")));
    }

    [Fact]
    public void A_gateway_that_does_not_answer_makes_the_sum_a_lower_bound()
    {
        var view = DemandView.Sum([("g0", Make.Demand(3, 0, 3, 0), null), ("g1", null, "refused")]);
        Assert.Equal((false, Reasons.GatewayUnreachable), (view.Complete.Holds, view.Complete.Reason));
        Assert.Equal(3, view.Of(new(Make.Space, "demo")).Requests);
        Assert.Equal(Reasons.NoGateway, DemandView.Sum([]).Complete.Reason);
    }

    private static ScaleInput Input(int running, ModelDemandSum demand, int min = Min, int max = Max) => new()
    {
        Spec = new ScalingSpec { MinReplicas = min, MaxReplicas = max, TargetRequests = Target, ScaleDownDelaySeconds = Delay },
        Running = running,
        Demand = demand,
        Complete = Check.Pass,
        History = ScaleHistory.Empty.With(Make.Now.AddSeconds(-1), 0, running, TimeSpan.FromHours(1)),
        Now = Make.Now,
    };

    /// <summary>A model that is looked at once a second, and whose replicas follow.</summary>
    private sealed class Life(int running, int min = Min, int max = Max, ScaleHistory? history = null)
    {
        private ScaleHistory _history = history ?? Input(running, ModelDemandSum.None).History;
        private int _running = running;

        public DateTimeOffset Now { get; set; } = Make.Now;

        /// <returns>The replicas after each look.</returns>
        public int[] Look(int seconds, double average, int requests = 0, TimeSpan? idle = null) =>
        [
            .. Enumerable.Range(0, seconds).Select(_ =>
            {
                ScalePlan plan = ScalePlanner.Plan(Input(_running, new ModelDemandSum(requests, 0, average, idle), min, max) with { History = _history, Now = Now });
                Now += TimeSpan.FromSeconds(1);
                (_history, _running) = (plan.History, plan.Replicas);
                return _running;
            }),
        ];
    }
}
