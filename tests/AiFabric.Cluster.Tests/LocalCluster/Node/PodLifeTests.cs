using System.Diagnostics;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.Node;

public sealed class PodLifeTests
{
    [Fact]
    public async Task Pod_runs_as_a_process_knows_its_address_and_succeeds()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("once", "echo \"ip=$POD_IP args=$1\"", "Never", c =>
        {
            c.Env = [new V1EnvVar { Name = "POD_IP", ValueFrom = new V1EnvVarSource { FieldRef = new V1ObjectFieldSelector { FieldPath = "status.podIP" } } }];
            c.Args = ["sh", "$(POD_IP):80"];
        }));

        V1Pod done = await node.UntilAsync<V1Pod>("once", p => p.Status?.Phase == "Succeeded", "succeed");

        Assert.Equal([$"ip={done.Status.PodIP} args={done.Status.PodIP}:80"], await node.LogAsync("once"));
        Assert.Equal("local", done.Spec.NodeName);
        Assert.Equal(0, done.MainContainer().State.Terminated.ExitCode);
        Assert.Equal("Completed", done.MainContainer().State.Terminated.Reason);
        Assert.Contains(node.Api.List<Corev1Event>("default"), e => e.Reason == "Scheduled" && e.InvolvedObject.Uid == done.Metadata.Uid);
    }

    [Fact]
    public async Task Killed_container_is_restarted_and_remembers_how_it_ended()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("victim", "echo up; exec sleep 1000"));
        V1Pod first = await node.UntilAsync<V1Pod>("victim", p => p.MainContainer().ContainerID is not null && p.Status.Phase == "Running", "run");
        await Eventually.TrueAsync(() => File.Exists($"/proc/{first.Process()}/stat"), () => "its process should exist");

        using (Process process = Process.GetProcessById(first.Process()))
        {
            process.Kill();
        }

        V1Pod second = await node.UntilAsync<V1Pod>("victim", p => p.MainContainer() is { RestartCount: 1, State.Running: not null }, "have been restarted once");
        Assert.Equal(137, second.MainContainer().LastState.Terminated.ExitCode);
        Assert.Equal("Error", second.MainContainer().LastState.Terminated.Reason);
        Assert.Equal(first.Status.PodIP, second.Status.PodIP);
        Assert.Equal(["up"], await node.LogAsync("victim", change: r => r with { Previous = true }));
    }

    [Theory]
    [InlineData("FallbackToLogsOnError", "one\nno such folder")]
    [InlineData("File", null)]
    public async Task Failed_container_tells_the_end_of_its_log_where_its_policy_asks_for_it(string policy, string? message)
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("refuses", "echo one; echo no such folder >&2; exit 2", "Never", c => c.TerminationMessagePolicy = policy));

        V1Pod pod = await node.UntilAsync<V1Pod>("refuses", p => p.Status?.Phase == "Failed", "fail");

        Assert.Equal(message, pod.MainContainer().State.Terminated.Message);
    }

    [Fact]
    public async Task Failing_container_waits_in_crash_loop_back_off()
    {
        await using LocalNode node = await LocalNode.StartAsync(o => o.RestartBackoff = TimeSpan.FromSeconds(30));
        node.Create(Pod.Script("crash", "exit 3"));

        V1Pod pod = await node.UntilAsync<V1Pod>("crash", p => p.MainContainer().State.Waiting?.Reason == "CrashLoopBackOff", "back off");

        Assert.Equal(1, pod.MainContainer().RestartCount);
        Assert.Equal(3, pod.MainContainer().LastState.Terminated.ExitCode);
        Assert.Equal("Running", pod.Status.Phase);
    }

    [Fact]
    public async Task Deleted_pod_gets_a_sigterm_and_time_to_stop()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        string witness = Path.Combine(node.Folder, "witness");
        V1Pod pod = node.Create(Pod.Script("polite", $"trap 'echo bye >{witness}; exit 0' TERM; echo up; while :; do sleep 0.05; done"));
        await Eventually.TrueAsync(() => node.Api.Get<V1Pod>("default", "polite")?.Status?.Phase == "Running" && HasLog(node, "polite"), () => "it should be up");

        node.Api.Delete(pod);

        await node.GoneAsync<V1Pod>("polite");
        Assert.True(File.Exists(witness));
        await Eventually.TrueAsync(() => !Directory.Exists(Path.Combine(node.Folder, "node", "pods", pod.Metadata.Uid)), () => "its folder should be removed");
    }

    [Fact]
    public async Task Pod_that_ignores_sigterm_is_killed_with_all_its_processes()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        V1Pod pod = node.Create(Pod.Script("stubborn", "trap '' TERM; sleep 1000 & echo $!; while :; do sleep 1; done", spec: s => s.TerminationGracePeriodSeconds = 1));
        await Eventually.TrueAsync(() => HasLog(node, "stubborn"), () => "it should be up");
        string child = (await node.LogAsync("stubborn"))[0];

        node.Api.Delete(pod);

        await node.GoneAsync<V1Pod>("stubborn");
        await Eventually.TrueAsync(() => !Runs(child), () => "the child process should be gone too");
    }

    [Fact]
    public async Task Init_containers_run_in_order_before_the_main_one()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        string file = Path.Combine(node.Folder, "order");
        node.Create(Pod.Script("inits", $"cat {file}", "Never", spec: s => s.InitContainers =
        [
            new V1Container { Name = "a", Image = "shell", Command = ["/bin/sh", "-c", $"echo a >>{file}"] },
            new V1Container { Name = "b", Image = "shell", Command = ["/bin/sh", "-c", $"echo b >>{file}"] },
        ]));

        V1Pod pod = await node.UntilAsync<V1Pod>("inits", p => p.Status?.Phase == "Succeeded", "succeed");

        Assert.Equal(["a", "b"], await node.LogAsync("inits"));
        Assert.All(pod.Status.InitContainerStatuses, s => Assert.True(s.Ready));
    }

    [Fact]
    public async Task Missing_secret_and_unknown_image_are_told_and_heal()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("needy", "echo $TOKEN; sleep 1000", container: c =>
            c.Env = [new V1EnvVar { Name = "TOKEN", ValueFrom = new V1EnvVarSource { SecretKeyRef = new V1SecretKeySelector { Name = "s", Key = "t" } } }]));
        node.Create(Pod.Script("imageless", "", container: c => c.Command = null));
        await node.UntilAsync<V1Pod>("needy", p => p.MainContainer().State.Waiting is { Reason: "CreateContainerConfigError", Message: "secret \"s\" not found" }, "wait for the secret");
        await node.UntilAsync<V1Pod>("imageless", p => p.MainContainer().State.Waiting is { Reason: "ImagePullBackOff" } w && w.Message.Contains("--image shell="), "wait for its image");

        node.Api.Create(new V1Secret { Metadata = new V1ObjectMeta { Name = "s", NamespaceProperty = "default" }, Data = new Dictionary<string, byte[]> { ["t"] = "hush"u8.ToArray() } });

        await node.ReadyAsync("needy");
        await Eventually.TrueAsync(() => HasLog(node, "needy"), () => "it should print");
        Assert.Equal(["hush"], await node.LogAsync("needy"));
    }

    [Fact]
    public async Task Volumes_appear_at_their_mount_paths()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        string at = Path.Combine(node.Folder, "mounts");
        node.Api.Create(new V1ConfigMap { Metadata = new V1ObjectMeta { Name = "cm", NamespaceProperty = "default" }, Data = new Dictionary<string, string> { ["key.txt"] = "from map\n" } });
        node.Create(Pod.Script("mounted", $"cat {at}/config/key.txt; echo x >{at}/scratch/x && cat {at}/scratch/x", "Never",
            c => c.VolumeMounts =
            [
                new V1VolumeMount { Name = "config", MountPath = $"{at}/config", ReadOnlyProperty = true },
                new V1VolumeMount { Name = "scratch", MountPath = $"{at}/scratch" },
            ],
            s => s.Volumes =
            [
                new V1Volume { Name = "config", ConfigMap = new V1ConfigMapVolumeSource { Name = "cm" } },
                new V1Volume { Name = "scratch", EmptyDir = new V1EmptyDirVolumeSource() },
            ]));

        if (!AiFabric.LocalCluster.Node.Containers.Launcher.CanMount())
        {
            await node.UntilAsync<V1Pod>("mounted", p => p.MainContainer().State.Waiting?.Reason == "CreateContainerConfigError", "be refused where mounts are not allowed");
            return;
        }

        await node.UntilAsync<V1Pod>("mounted", p => p.Status?.Phase is "Succeeded", "succeed");
        Assert.Equal(["from map", "x"], await node.LogAsync("mounted"));
    }

    [Fact]
    public async Task Pod_that_asks_for_a_gpu_stays_pending_with_a_reason()
    {
        await using LocalNode node = await LocalNode.StartAsync();
        node.Create(Pod.Script("gpu", "true", container: c =>
            c.Resources = new V1ResourceRequirements { Limits = new Dictionary<string, ResourceQuantity> { ["nvidia.com/gpu"] = new("1") } }));

        V1Pod pod = await node.UntilAsync<V1Pod>("gpu", p => p.Status?.Conditions?.Any(c => c.Reason == "Unschedulable") == true, "be unschedulable");

        Assert.Contains("Insufficient nvidia.com/gpu", pod.Status.Conditions.Single(c => c.Type == "PodScheduled").Message);
    }

    private static bool HasLog(LocalNode node, string pod)
    {
        V1Pod? found = node.Api.Get<V1Pod>("default", pod);
        string log = Path.Combine(node.Folder, "node", "pods", found?.Metadata.Uid ?? "-", "containers", "main", "1", "log");
        return File.Exists(log) && new FileInfo(log).Length > 0;
    }

    private static bool Runs(string process)
    {
        string stat = $"/proc/{process}/stat";
        return File.Exists(stat) && !File.ReadAllText(stat).Contains(") Z ");
    }
}
