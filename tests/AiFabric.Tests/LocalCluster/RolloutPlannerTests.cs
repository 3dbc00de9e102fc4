using AiFabric.LocalCluster.Controllers.Deployments;
using CsCheck;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class RolloutPlannerTests
{
    [Theory]
    [InlineData(4, null, null, 1, 1)]
    [InlineData(1, null, null, 1, 0)]
    [InlineData(10, "30%", "25%", 3, 2)]
    [InlineData(3, "0", "0", 0, 1)]
    [InlineData(3, "2", "50%", 2, 1)]
    public void Percentages_round_surge_up_and_unavailability_down(int replicas, string? surge, string? unavailable, int expectedSurge, int expectedUnavailable)
    {
        var spec = new V1DeploymentSpec { Replicas = replicas, Strategy = new V1DeploymentStrategy { RollingUpdate = new V1RollingUpdateDeployment() } };
        if (surge is not null)
        {
            spec.Strategy.RollingUpdate.MaxSurge = surge;
        }

        if (unavailable is not null)
        {
            spec.Strategy.RollingUpdate.MaxUnavailable = unavailable;
        }

        RolloutGoal goal = RolloutPlanner.Goal(spec);

        Assert.Equal((expectedSurge, expectedUnavailable), (goal.MaxSurge, goal.MaxUnavailable));
    }

    [Fact]
    public void First_rollout_creates_all_replicas_at_once() =>
        Assert.Equal(3, RolloutPlanner.Plan(new RolloutGoal { Replicas = 3 }, null, []).CreateNew);

    [Fact]
    public void Recreate_waits_until_the_last_old_pod_has_gone()
    {
        var goal = new RolloutGoal { Replicas = 2, Recreate = true };

        RolloutPlan first = RolloutPlanner.Plan(goal, null, [Set("old", wanted: 2)]);
        RolloutPlan stopping = RolloutPlanner.Plan(goal, null, [new SetView("old", 0, 1, 1, 1, 1)]);
        RolloutPlan empty = RolloutPlanner.Plan(goal, null, [new SetView("old", 0, 0, 0, 0, 1)]);

        Assert.Equal(0, first.Scale["old"]);
        Assert.Null(first.CreateNew);
        Assert.Null(stopping.CreateNew);
        Assert.Equal(2, empty.CreateNew);
    }

    [Fact]
    public void Broken_old_pods_go_before_the_new_ones_are_ready()
    {
        // Three old pods, none available: waiting for the new one would deadlock a bad rollout's repair.
        var old = new SetView("old", 3, 3, 0, 0, 1);

        RolloutPlan plan = RolloutPlanner.Plan(new RolloutGoal { Replicas = 3, MaxSurge = 1, MaxUnavailable = 0 }, new SetView("new", 1, 1, 0, 0, 2), [old]);

        Assert.True(plan.Scale.TryGetValue("old", out int left) is false || left < 3);
    }

    [Fact]
    public void Paused_deployment_scales_but_does_not_roll()
    {
        var goal = new RolloutGoal { Replicas = 5, Paused = true };

        RolloutPlan plan = RolloutPlanner.Plan(goal, null, [Set("old", wanted: 2)]);

        Assert.Equal(5, plan.Scale["old"]);
        Assert.Null(plan.CreateNew);
    }

    [Fact]
    public void Empty_old_sets_beyond_the_history_limit_are_removed_oldest_first()
    {
        SetView[] old = [.. Enumerable.Range(1, 4).Select(i => new SetView($"r{i}", 0, 0, 0, 0, i))];

        RolloutPlan plan = RolloutPlanner.Plan(new RolloutGoal { Replicas = 1, HistoryLimit = 2 }, Set("new", wanted: 1), old);

        Assert.Equal(["r1", "r2"], plan.Remove);
    }

    /// <summary>Whatever order pods become ready in, a rollout keeps its promises at every step and ends.</summary>
    [Fact]
    public void Rolling_update_never_breaks_its_bounds_and_converges() =>
        Gen.Select(Gen.Int[1, 8], Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[0, int.MaxValue]).Sample((replicas, surge, unavailable, seed) =>
        {
            unavailable = surge == 0 && unavailable == 0 ? 1 : Math.Min(unavailable, replicas);
            var goal = new RolloutGoal { Replicas = replicas, MaxSurge = surge, MaxUnavailable = unavailable };
            var random = new Random(seed);
            SetView old = Set("old", replicas);
            SetView? fresh = null;
            for (int step = 0; step < 200; step++)
            {
                RolloutPlan plan = RolloutPlanner.Plan(goal, fresh, [old]);
                if (plan.CreateNew is { } created)
                {
                    fresh = new SetView("new", created, created, 0, 0, 2);
                }

                old = Scaled(old, plan);
                fresh = fresh is null ? null : Scaled(fresh, plan);
                int total = old.Wanted + (fresh?.Wanted ?? 0);
                int available = old.Available + (fresh?.Available ?? 0);
                Assert.InRange(total, 0, replicas + surge);
                Assert.InRange(available, replicas - unavailable, int.MaxValue);
                if (fresh is not null && fresh.Available < fresh.Wanted && random.Next(2) == 0)
                {
                    fresh = fresh with { Ready = fresh.Ready + 1, Available = fresh.Available + 1 };
                }

                if (old.Wanted == 0 && fresh?.Available == replicas)
                {
                    return true;
                }
            }

            return false;
        });

    private static SetView Scaled(SetView set, RolloutPlan plan) => plan.Scale.TryGetValue(set.Name, out int wanted)
        ? set with { Wanted = wanted, Running = wanted, Ready = Math.Min(set.Ready, wanted), Available = Math.Min(set.Available, wanted) }
        : set;

    private static SetView Set(string name, int wanted) => new(name, wanted, wanted, wanted, wanted, 1);
}
