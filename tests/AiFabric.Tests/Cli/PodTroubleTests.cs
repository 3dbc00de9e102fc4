using AiFabric.Cli.Fabric;
using k8s.Models;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class PodTroubleTests
{
    [Fact]
    public void A_container_that_keeps_ending_is_explained_by_its_last_run_on_one_line()
    {
        V1Pod pod = Pod("gateway-6c-1", new V1PodStatus
        {
            ContainerStatuses =
            [
                new V1ContainerStatus
                {
                    State = new V1ContainerState { Waiting = new V1ContainerStateWaiting { Reason = "CrashLoopBackOff", Message = "back-off 2s" } },
                    LastState = new V1ContainerState { Terminated = new V1ContainerStateTerminated { Reason = "Error", Message = "Failed to bind\naddress already in use\n" } },
                },
            ],
        });
        Assert.Equal("CrashLoopBackOff: back-off 2s; its last run: Error: Failed to bind address already in use", PodTrouble.Of([pod], "gateway"));
    }

    [Fact]
    public void A_pod_without_a_waiting_container_is_explained_by_its_conditions()
    {
        V1Pod pod = Pod("gateway-6c-1", new V1PodStatus
        {
            Conditions =
            [
                new V1PodCondition { Type = "Initialized", Status = "True" },
                new V1PodCondition { Type = "PodScheduled", Status = "False", Reason = "Unschedulable", Message = "no GPU" },
            ],
        });
        Assert.Equal("Unschedulable: no GPU", PodTrouble.Of([pod], "gateway"));
    }

    [Fact]
    public void Pods_of_others_and_pods_without_trouble_tell_nothing()
    {
        var waiting = new V1ContainerState { Waiting = new V1ContainerStateWaiting { Reason = "ErrImagePull" } };
        Assert.Null(PodTrouble.Of([Pod("operator-1", new V1PodStatus { ContainerStatuses = [new V1ContainerStatus { State = waiting }] }), Pod("gateway-1", new V1PodStatus())], "gateway"));
    }

    private static V1Pod Pod(string name, V1PodStatus status) => new() { Metadata = new V1ObjectMeta { Name = name }, Status = status };
}
