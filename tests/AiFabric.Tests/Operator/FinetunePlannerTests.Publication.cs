using AiFabric.Crds.Adapters;
using AiFabric.Crds.Common;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Operator.Conditions;
using AiFabric.Operator.Finetuning;
using AiFabric.Operator.Workers;
using AiFabric.Protocol.Control;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

/// <content>What becomes of a session that succeeded.</content>
public sealed partial class FinetunePlannerTests
{
    [Fact]
    public void A_finished_session_becomes_an_Adapter_without_an_owner()
    {
        FinetunePlan plan = Plan(On("a", new FinetuneReplica(Make.Pod("a"), Make.Session(TrainingState.Succeeded))));
        Adapter adapter = plan.Adapter!;
        Assert.Equal(FinetuneStep.Publish, plan.Step);
        Assert.Equal(("french", Make.Space, "demo"), (adapter.Metadata.Name, adapter.Metadata.NamespaceProperty, adapter.Spec.ModelRef.Name));
        Assert.Equal(("file:///data/team/job/job-uid/adapter-job-uid", Make.Digest('c')), (adapter.Spec.Source.Uri, adapter.Spec.Digest));
        Assert.Equal("job", adapter.Metadata.Labels[Labels.FinetuneJob]);
        Assert.Null(adapter.Metadata.OwnerReferences);
        Assert.Null(Plan(On("a", new FinetuneReplica(Make.Pod("a"), Make.Session(TrainingState.Succeeded))) with { Adapter = adapter }).Adapter);
    }

    [Theory]
    [InlineData("pvc://shared/x", "file:///out/x/adapter-job-uid", "pvc://shared/x/adapter-job-uid")]
    [InlineData("pvc://shared", "file:///out/adapter-job-uid", "pvc://shared/adapter-job-uid")]
    [InlineData("pvc://shared/x", "file:///out/x", "pvc://shared/x")] // of a session that an older operator sent
    [InlineData("pvc://shared/x", null, "pvc://shared/x/adapter-job-uid")]
    public void An_adapter_on_a_claim_is_declared_by_the_claim(string declared, string? made, string told)
    {
        WorkerPod pod = Make.Pod("a") with
        {
            Spec = new V1PodSpec
            {
                Containers = [new V1Container { Name = "worker", VolumeMounts = [new V1VolumeMount { Name = "v", MountPath = "/out" }] }],
                Volumes = [new V1Volume { Name = "v", PersistentVolumeClaim = new() { ClaimName = "shared" } }],
            },
        };
        FinetuneObservation observed = On("a", new FinetuneReplica(pod, Make.Session(TrainingState.Succeeded) with { AdapterUri = made }));
        observed.Job.Spec.Output.Uri = declared;
        Assert.Equal(told, Plan(observed).Adapter!.Spec.Source.Uri);
    }

    [Fact]
    public void A_job_of_the_same_name_may_renew_its_Adapter() => Assert.True(Plan(Observed(new FinetuneReplica(Make.Pod())) with
    {
        Adapter = Make.Adapter(adapter => adapter.Metadata.Labels = new Dictionary<string, string> { [Labels.FinetuneJob] = "job" }),
    }).Accepted.Holds);

    [Fact]
    public void An_Adapter_that_is_being_deleted_is_waited_out_before_it_is_made_anew()
    {
        FinetuneObservation observed = On("a", new FinetuneReplica(Make.Pod("a"), Make.Session(TrainingState.Succeeded)));
        Adapter going = Plan(observed).Adapter!;
        going.Metadata.DeletionTimestamp = Make.Now.UtcDateTime;
        FinetunePlan plan = Plan(observed with { Adapter = going });
        Assert.Equal((FinetuneStep.Wait, Reasons.AdapterPending, Make.Times.Steady), (plan.Step, plan.Problem.Reason, plan.LookAgain));
        Assert.Equal("Adapter french is being deleted; it is made anew once it is gone", plan.Problem.Message);
        V1Condition complete = Make.Condition(FinetuneStatusBuilder.Build(observed, plan).Conditions, FinetuneJobConditions.Complete);
        Assert.Equal("False", complete.Status);

        Assert.Equal(FinetuneStep.Publish, Plan(observed).Step);
    }
}
