using AiFabric.Operator.Conditions;
using AiFabric.Operator.Workers;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class WorkerPodTests
{
    [Fact]
    public void A_ready_pod_has_no_problem()
    {
        var pod = WorkerPod.From(Pod(ready: true, new V1ContainerStatus
        {
            Name = "worker",
            RestartCount = 2,
            LastState = new V1ContainerState { Terminated = new V1ContainerStateTerminated { ExitCode = 1, Message = "old" } },
        }));
        Assert.True(pod.Reachable);
        Assert.Null(pod.Problem);
        Assert.Equal(("demo", "r1", 2), (pod.Model, pod.Revision, pod.Restarts));
    }

    [Fact]
    public void A_pod_on_its_way_out_is_not_ready()
    {
        V1Pod pod = Pod(ready: true, null);
        pod.Metadata.DeletionTimestamp = Make.Now.UtcDateTime;
        Assert.False(WorkerPod.From(pod).Ready);
        Assert.True(WorkerPod.From(pod).Terminating);
    }

    [Theory]
    [InlineData(2, "Error", "info: start\nmodel.safetensors: header is truncated\n", Reasons.ModelLoadFailed, "pod demo-0: model.safetensors: header is truncated")]
    [InlineData(139, "Error", "segfault", Reasons.CrashLoopBackOff, "pod demo-0: the worker ended with exit code 139: segfault")]
    [InlineData(137, "Error", "info: chat: 96 tokens", Reasons.CrashLoopBackOff, "pod demo-0: the worker ended with exit code 137")]
    [InlineData(1, "Error", null, Reasons.CrashLoopBackOff, "pod demo-0: the worker ended with exit code 1")]
    [InlineData(137, "OOMKilled", null, Reasons.OutOfMemory, "pod demo-0: the worker was killed for using more memory than its limit")]
    public void An_ended_worker_says_why(int exitCode, string ended, string? log, string reason, string message)
    {
        var terminated = new V1ContainerStateTerminated { ExitCode = exitCode, Reason = ended, Message = log! };
        V1ContainerStatus[] both =
        [
            new() { Name = "worker", State = new V1ContainerState { Terminated = terminated } },
            new()
            {
                Name = "worker",
                State = new V1ContainerState { Waiting = new V1ContainerStateWaiting { Reason = "CrashLoopBackOff" } },
                LastState = new V1ContainerState { Terminated = terminated },
            },
        ];
        Assert.All(both, status => Assert.Equal(new PodProblem(reason, message), WorkerPod.From(Pod(ready: false, status)).Problem));
    }

    [Theory]
    [InlineData("ErrImagePull", Reasons.ImagePullBackOff)]
    [InlineData("ImagePullBackOff", Reasons.ImagePullBackOff)]
    [InlineData("InvalidImageName", Reasons.ImagePullBackOff)]
    [InlineData("CreateContainerConfigError", "CreateContainerConfigError")]
    [InlineData("ContainerCreating", null)]
    public void A_waiting_worker_says_for_what(string waiting, string? reason)
    {
        V1Pod pod = Pod(ready: false, new V1ContainerStatus
        {
            Name = "worker",
            Image = "worker:1",
            State = new V1ContainerState { Waiting = new V1ContainerStateWaiting { Reason = waiting, Message = "because" } },
        });
        Assert.Equal(reason, WorkerPod.From(pod).Problem?.Reason);
    }

    [Fact]
    public void An_unschedulable_pod_says_so()
    {
        V1Pod pod = Pod(ready: false, null);
        pod.Status.Conditions.Add(new V1PodCondition { Type = "PodScheduled", Status = "False", Reason = "Unschedulable", Message = "no GPU" });
        Assert.Equal(new PodProblem(Reasons.Unschedulable, "pod demo-0: no GPU"), WorkerPod.From(pod).Problem);
    }

    [Fact]
    public void What_goes_before_the_worker_says_why_it_does_not_end()
    {
        V1Pod pod = Pod(ready: false, new V1ContainerStatus
        {
            Name = "worker",
            State = new V1ContainerState { Waiting = new V1ContainerStateWaiting { Reason = "PodInitializing" } },
        });
        var fetch = new V1ContainerStatus
        {
            Name = "fetch",
            Image = "fetch:1",
            State = new V1ContainerState { Waiting = new V1ContainerStateWaiting { Reason = "ImagePullBackOff", Message = "not found" } },
        };
        pod.Status.InitContainerStatuses = [fetch];
        Assert.Equal(new PodProblem(Reasons.ImagePullBackOff, "pod demo-0: image fetch:1: not found"), WorkerPod.From(pod).Problem);

        var ended = new V1ContainerState { Terminated = new V1ContainerStateTerminated { ExitCode = 3, Message = "no route" } };
        fetch.State = ended;
        Assert.Equal(new PodProblem(Reasons.CrashLoopBackOff, "pod demo-0: container fetch ended with exit code 3: no route"), WorkerPod.From(pod).Problem);

        (fetch.State, fetch.LastState, fetch.Ready) = (new V1ContainerState { Terminated = new V1ContainerStateTerminated() }, ended, true);
        Assert.Null(WorkerPod.From(pod).Problem);
    }

    private static V1Pod Pod(bool ready, V1ContainerStatus? worker) => new()
    {
        Metadata = new V1ObjectMeta { Name = "demo-0", NamespaceProperty = Make.Space, Uid = "u", Labels = Make.WorkerLabels("demo", "r1") },
        Spec = new V1PodSpec { Containers = [new V1Container { Name = "worker" }] },
        Status = new V1PodStatus
        {
            PodIP = "10.0.0.1",
            Conditions = [new V1PodCondition { Type = "Ready", Status = ready ? "True" : "False" }],
            ContainerStatuses = worker is null ? [] : [worker],
        },
    };
}
