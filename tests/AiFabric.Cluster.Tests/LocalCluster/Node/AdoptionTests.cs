using System.Diagnostics;
using AiFabric.LocalCluster.Registry;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.Node;

public sealed class AdoptionTests
{
    [Fact]
    public async Task Pods_outlive_the_node_and_are_adopted_by_the_next()
    {
        LocalNode first = await LocalNode.StartAsync();
        string go = Path.Combine(first.Folder, "go");
        first.Create(Pod.Script("stays", "echo first; sleep 1000"));
        first.Create(Pod.Script("ends", $"while [ ! -e {go} ]; do sleep 0.05; done; exit 7", "Never"));
        V1Pod before = await first.ReadyAsync("stays");
        before = await first.UntilAsync<V1Pod>("stays", p => IsShell(p), "be a shell process");
        await first.ReadyAsync("ends");
        await first.CrashAsync();
        await File.WriteAllTextAsync(go, "", TestContext.Current.CancellationToken);

        await using LocalNode second = await LocalNode.StartAsync(after: first);

        V1Pod ended = await second.UntilAsync<V1Pod>("ends", p => p.Status.Phase == "Failed", "have ended");
        Assert.Equal(7, ended.MainContainer().State.Terminated.ExitCode);
        V1Pod adopted = await second.ReadyAsync("stays");
        Assert.Equal(before.MainContainer().ContainerID, adopted.MainContainer().ContainerID);
        Assert.Equal(0, adopted.MainContainer().RestartCount);
        Assert.Equal(before.Status.Conditions.Single(c => c.Type == "Ready").LastTransitionTime, adopted.Status.Conditions.Single(c => c.Type == "Ready").LastTransitionTime);
        Assert.Equal(["first"], await second.LogAsync("stays"));

        Process.GetProcessById(adopted.Process()).Kill();
        await second.UntilAsync<V1Pod>("stays", p => p.MainContainer() is { RestartCount: 1, State.Running: not null }, "be restarted by the second node");
    }

    [Fact]
    public async Task Pod_deleted_while_no_node_ran_is_stopped_by_the_next()
    {
        LocalNode first = await LocalNode.StartAsync();
        first.Create(Pod.Script("orphan", "sleep 1000"));
        V1Pod pod = await first.UntilAsync<V1Pod>("orphan", IsShell, "be a shell process");
        await first.CrashAsync();
        await using LocalNode second = await LocalNode.StartAsync(after: first);
        second.Api.Delete(pod, new DeleteRequest { GracePeriodSeconds = 0 });

        await Eventually.TrueAsync(() => !File.Exists($"/proc/{pod.Process()}/stat") || File.ReadAllText($"/proc/{pod.Process()}/stat").Contains(") Z "), () => "its process should be gone");
        await Eventually.TrueAsync(() => !Directory.Exists(Path.Combine(second.Folder, "node", "pods", pod.Metadata.Uid)), () => "its folder should be gone");
    }

    [Fact]
    public async Task Clean_stop_ends_the_pods_when_asked()
    {
        LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("short", "sleep 1000"));
        V1Pod pod = await node.UntilAsync<V1Pod>("short", IsShell, "be a shell process");

        await node.DisposeAsync();

        await Eventually.TrueAsync(() => !File.Exists($"/proc/{pod.Process()}/stat") || File.ReadAllText($"/proc/{pod.Process()}/stat").Contains(") Z "), () => "its process should be gone");
    }

    private static bool IsShell(V1Pod pod) =>
        pod.MainContainer().ContainerID is not null && pod.Status.Phase == "Running"
        && File.Exists($"/proc/{pod.Process()}/cmdline") && File.ReadAllText($"/proc/{pod.Process()}/cmdline").Contains("sleep");
}
