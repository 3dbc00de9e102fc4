using System.Diagnostics;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary><c>aifabric down</c> speaks only once nothing runs any more.</summary>
[Collection(FabricTests.Name)]
public sealed class DownTests(FabricFixture shared)
{
    [Fact]
    public async Task A_running_fabric_keeps_its_ports_and_leaves_no_process_when_down_has_ended()
    {
        await using var fabric = new SpareFabric(shared);
        await fabric.UpAsync();
        Assert.NotEmpty(fabric.Processes());
        Assert.Contains(fabric.BaseUrl, await fabric.RunAsync(["up"]), StringComparison.Ordinal);
        Assert.Equal("stopped", (await fabric.DownAsync()).Trim());
        Assert.Empty(fabric.Processes());
        Assert.Equal("nothing was running", (await fabric.DownAsync()).Trim());
    }

    [Fact]
    public async Task A_fabric_that_goes_with_a_process_ends_when_that_is_killed()
    {
        await using var fabric = new SpareFabric(shared);
        using Process companion = Process.Start(new ProcessStartInfo("sleep", ["120"]))!; // Never null without a shell.
        string stat = await File.ReadAllTextAsync($"/proc/{companion.Id}/stat", TestContext.Current.CancellationToken);
        using Process supervisor = fabric.Supervise($"{companion.Id} {stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19]}");
        await FabricFixture.UntilAsync(() => Task.FromResult(File.Exists(Path.Combine(fabric.Folder, "kubeconfig"))), () => "the cluster to serve");
        Assert.False(supervisor.HasExited);

        companion.Kill();
        await supervisor.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(90), TestContext.Current.CancellationToken);
        Assert.Equal(0, supervisor.ExitCode);
        Assert.Empty(fabric.Processes());
    }

    [Fact]
    public async Task A_supervisor_refuses_a_process_it_cannot_read()
    {
        await using var fabric = new SpareFabric(shared);
        Assert.Contains("--with-process is 'twelve'", await fabric.RunAsync(["supervise", "--with-process", "twelve"], exitCode: 1), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cluster_whose_supervisor_was_killed_is_named_by_up_and_stopped_by_down()
    {
        await using var fabric = new SpareFabric(shared);
        await fabric.UpAsync();
        await fabric.KillAsync(process => process.Arguments.Contains("supervise"));
        int cluster = Assert.Single(fabric.Processes(), process => process.Arguments[0].EndsWith("AiFabric.LocalCluster", StringComparison.Ordinal)).Id;
        Assert.Contains($"process {cluster}", await fabric.UpAsync(exitCode: 1), StringComparison.Ordinal);
        Assert.Equal("stopped", (await fabric.DownAsync()).Trim());
        Assert.Empty(fabric.Processes());
    }
}
