using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Finetuning;
using AiFabric.Protocol.Control;
using Xunit;

namespace AiFabric.Tests.Operator;

/// <content>Which replica runs a job.</content>
public sealed partial class FinetunePlannerTests
{
    [Fact]
    public void A_new_job_starts_on_the_replica_with_the_least_training()
    {
        FinetunePlan plan = Plan(Observed(
            new(Make.Pod("a"), Load: Make.Load(Make.Session(TrainingState.Running, uid: "x"))),
            new(Make.Pod("b"), Load: Make.Load() with { RunningRequests = 9 }), new(Make.Pod("c"), Load: Make.Load() with { QueuedRequests = 2 }),
            new(Make.Pod("d", ready: false)), new(Make.Pod("e"), Error: "no answer")));
        Assert.Equal((FinetuneStep.Run, "c"), (plan.Step, plan.Pod!.Name));
        Assert.NotNull(plan.Request);
    }

    [Theory]
    [InlineData(TrainingState.Suspended, "b")] // It holds its memory.
    [InlineData(TrainingState.Succeeded, "a")]
    public void Sessions_that_hold_memory_count(TrainingState state, string chosen) => Assert.Equal(chosen, Plan(Observed(
        new(Make.Pod("a"), Load: Make.Load(Make.Session(state, uid: "x"))),
        new(Make.Pod("b"), Load: Make.Load() with { RunningRequests = 9 }))).Pod!.Name);

    [Fact]
    public void Replicas_of_the_current_revision_come_first()
    {
        FinetuneObservation observed = Observed(new(Make.Pod("a", "old"), Load: Make.Load()), new(Make.Pod("b", "new"), Load: Make.Load() with { RunningRequests = 50 }));
        observed.Model!.Status = new CoServedModelStatus { Revision = "new" };
        Assert.Equal("b", Plan(observed).Pod!.Name);
    }

    [Fact]
    public void A_replica_that_had_no_room_is_asked_again_only_after_the_others()
    {
        FinetuneObservation observed = On("a", new(Make.Pod("a")), new(Make.Pod("b"), Load: Make.Load()), new(Make.Pod("c"), Load: Make.Load()));
        var memory = new FinetuneMemory();
        foreach (string pod in (string[])["a", "b", "c", "a"])
        {
            observed = observed with { Now = observed.Now.AddSeconds(1), Refusals = memory.Refusals(observed.Job) };
            Assert.Equal(pod, Plan(observed).Pod!.Name);
            memory.Refused(observed.Job, Make.Pod(pod), observed.Now);
        }
        // A restarted worker has room again.
        observed = On("a", new(Make.Pod("a", restarts: 1)), new(Make.Pod("b"), Load: Make.Load())) with { Refusals = memory.Refusals(observed.Job) };
        Assert.Equal("a", Plan(observed).Pod!.Name);
    }
}
