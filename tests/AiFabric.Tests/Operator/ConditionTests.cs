using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class ConditionTests
{
    private static readonly DateTimeOffset Later = Make.Now.AddMinutes(5);

    [Fact]
    public void A_transition_time_moves_only_when_the_status_flips()
    {
        var first = new ConditionSet(null, 1, Make.Now);
        first.Set("Ready", "False", "Loading", "0 of 1 loaded");
        var second = new ConditionSet(first.ToList(), 2, Later);
        second.Set("Ready", "False", "NotRouted", "0 of 1 routed");
        Assert.Equal(Make.Now.UtcDateTime, second["Ready"]!.LastTransitionTime);
        Assert.Equal(("NotRouted", 2L), (second["Ready"]!.Reason, second["Ready"]!.ObservedGeneration));

        var third = new ConditionSet(second.ToList(), 2, Later);
        third.Set("Ready", "True", "Serving", "ok");
        Assert.Equal(Later.UtcDateTime, third["Ready"]!.LastTransitionTime);
    }

    [Fact]
    public void The_first_failing_check_gives_the_reason()
    {
        var set = new ConditionSet(null, 1, Make.Now);
        set.Set("Ready", Check.FirstFailure([Check.Pass, Check.Fail("B", "b"), Check.Fail("C", "c")]), "Good", "good");
        Assert.Equal(("False", "B", "b"), (set["Ready"]!.Status, set["Ready"]!.Reason, set["Ready"]!.Message));
        set.Set("Ready", Check.FirstFailure([Check.Pass]), "Good", "good");
        Assert.True(set.IsTrue("Ready"));
    }

    [Fact]
    public void Building_conditions_leaves_the_old_ones_alone()
    {
        V1Condition old = Condition("Ready", "False", "A");
        new ConditionSet([old], 9, Later).Set("Ready", "True", "B", "b");
        Assert.Equal(("False", "A"), (old.Status, old.Reason));
    }

    [Fact]
    public void Transitions_tell_each_reason_once_and_warn_of_bad_ones()
    {
        V1Condition[] before = [Condition("Ready", "True", Reasons.Serving), Condition("Same", "True", "Kept"), Condition("Running", "True", "InProgress")];
        V1Condition[] after =
        [
            Condition("Ready", "False", Reasons.NoGateway), Condition("RouterReady", "False", Reasons.NoGateway), Condition("Same", "True", "Kept"),
            Condition("Silent", "False", Reasons.NotSuspended), Condition("Running", "False", "InvalidDataset"), Condition("Failed", "True", "InvalidDataset"),
        ];
        IReadOnlyList<Transition> told = Transitions.Between(before, after, "Failed");
        Assert.Equal(
            [(EventType.Warning, Reasons.NoGateway), (EventType.Warning, "InvalidDataset")], told.Select(transition => (transition.Type, transition.Reason)));
    }

    [Fact]
    public void Of_what_is_no_warning_only_the_first_that_became_true_is_told()
    {
        V1Condition[] before = [Condition("Running", "True", "InProgress"), Condition("Complete", "False", "InProgress"), Condition("Ready", "False", "Loading")];
        V1Condition[] finished = [Condition("Running", "False", "Finished"), Condition("Complete", "True", "AdapterCreated"), Condition("Routed", "True", "Routed")];
        Assert.Equal("AdapterCreated", Assert.Single(Transitions.Between(before, finished)).Reason);
        Assert.Equal("Finished", Assert.Single(Transitions.Between(before, [finished[0]])).Reason);
        // Still not ready, for another harmless reason; and a first status that says no more than that.
        Assert.Empty(Transitions.Between(before, [Condition("Ready", "False", Reasons.NotRouted)]));
        Assert.Empty(Transitions.Between(null, [Condition("Ready", "False", Reasons.NoPods)]));
    }

    [Fact]
    public void Nothing_is_told_when_only_the_message_changed() =>
        Assert.Empty(Transitions.Between([Condition("Ready", "False", "Loading", "0 of 2")], [Condition("Ready", "False", "Loading", "1 of 2")]));

    private static V1Condition Condition(string type, string status, string reason, string message = "text") => new()
    {
        Type = type,
        Status = status,
        Reason = reason,
        Message = message,
        LastTransitionTime = Make.Now.UtcDateTime,
    };
}
