using AiFabric.Operator.Conditions;
using AiFabric.Operator.Models;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class BudgetPlannerTests
{
    [Fact]
    public void Several_replicas_get_a_budget_they_own_that_lets_one_go()
    {
        V1PodDisruptionBudget budget = Plan(2).Apply!;
        Assert.Equal(("demo", "1"), (budget.Metadata.Name, budget.Spec.MaxUnavailable.Value));
        Assert.Equal("model-uid", budget.Metadata.OwnerReferences.Single().Uid);
        Assert.Equal("demo", budget.Spec.Selector.MatchLabels["aifabric.io/model"]);
    }

    [Fact]
    public void A_replica_that_is_not_ready_may_always_go_where_the_server_knows_how()
    {
        V1PodDisruptionBudget budget = Plan(2).Apply!, older = Plan(2, evictsUnready: false).Apply!;
        Assert.Equal("AlwaysAllow", budget.Spec.UnhealthyPodEvictionPolicy);
        Assert.Null(older.Spec.UnhealthyPodEvictionPolicy);
        Assert.Equal("AlwaysAllow", Plan(2, live: older).Apply!.Spec.UnhealthyPodEvictionPolicy);
        Assert.Equal(BudgetPlan.Nothing, Plan(2, live: older, evictsUnready: false));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_budget_goes_when_there_is_one_replica_or_none(int replicas)
    {
        Assert.Equal(BudgetPlan.Nothing, Plan(replicas));
        V1PodDisruptionBudget live = Plan(2).Apply!;
        Assert.Same(live, Plan(replicas, live).Remove);
        Assert.Equal(BudgetPlan.Nothing, Plan(replicas, Foreign()));
    }

    [Fact]
    public void A_budget_that_is_as_wanted_is_left_alone_and_a_changed_one_is_not()
    {
        V1PodDisruptionBudget live = Plan(3).Apply!;
        live.Status = new V1PodDisruptionBudgetStatus { DisruptionsAllowed = 1 };
        Assert.Equal(BudgetPlan.Nothing, Plan(3, live));
        live.Spec.MaxUnavailable = 2;
        Assert.NotNull(Plan(3, live).Apply);
    }

    [Fact]
    public void A_server_without_budgets_is_no_error_and_matters_only_to_several_replicas()
    {
        Assert.Equal((null, Reasons.NoDisruptionBudget), (Plan(2, served: false).Apply, Plan(2, served: false).Possible.Reason));
        Assert.Equal(BudgetPlan.Nothing, Plan(1, served: false));
    }

    [Fact]
    public void A_budget_of_somebody_else_is_not_taken_over()
    {
        BudgetPlan plan = Plan(2, Foreign());
        Assert.Equal((null, null, Reasons.NameTaken), (plan.Apply, plan.Remove, plan.Possible.Reason));
    }

    private static BudgetPlan Plan(int replicas, V1PodDisruptionBudget? live = null, bool served = true, bool evictsUnready = true) => BudgetPlanner.Plan(
        new ModelObservation { Model = Make.Model(), Budget = live, BudgetsServed = served, EvictsUnready = evictsUnready }, replicas);

    private static V1PodDisruptionBudget Foreign() => new() { Metadata = new V1ObjectMeta { Name = "demo" }, Spec = new V1PodDisruptionBudgetSpec() };
}
