using AiFabric.LocalCluster.Controllers.Garbage;
using AiFabric.LocalCluster.Hosting;
using AiFabric.LocalCluster.Node;
using AiFabric.LocalCluster.Node.Containers;
using AiFabric.LocalCluster.Node.Pods;
using AiFabric.LocalCluster.Node.Probes;
using k8s.Models;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace AiFabric.Tests.LocalCluster;

public sealed class NodeRulesTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)]
    [InlineData(2, 10)]
    [InlineData(3, 20)]
    [InlineData(6, 160)]
    [InlineData(7, 300)]
    [InlineData(1000, 300)]
    public void Restart_delay_doubles_from_the_second_failure_to_a_limit(int failures, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Backoff(10).Delay(failures));

    [Theory]
    [InlineData(5, 599, 6)]
    [InlineData(5, 600, 1)]
    public void Long_healthy_run_forgets_failures(int before, int ranSeconds, int after) =>
        Assert.Equal(after, Backoff(10).Count(before, TimeSpan.FromSeconds(ranSeconds)));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("$(A)-$(B)", "1-2")]
    [InlineData("$$(A)", "$(A)")]
    [InlineData("$$$(A)", "$1")]
    [InlineData("$(MISSING)", "$(MISSING)")]
    [InlineData("$(A", "$(A")]
    [InlineData("$A $", "$A $")]
    public void Variables_expand_as_in_kubernetes(string text, string expected) =>
        Assert.Equal(expected, VariableExpansion.Expand(text, new Dictionary<string, string> { ["A"] = "1", ["B"] = "2" }));

    [Theory]
    [InlineData("ghcr.io/x/worker", "/worker")]
    [InlineData("ghcr.io/x/worker:1.2", "/worker")]
    [InlineData("ghcr.io/x/worker@sha256:ab", "/worker")]
    [InlineData("ghcr.io/x/worker2", null)]
    [InlineData("ghcr.io/x/gateway:1", "/any")]
    [InlineData("other", null)]
    public void Longest_image_prefix_names_the_program(string image, string? program)
    {
        var images = new Dictionary<string, IReadOnlyList<string>>
        {
            ["ghcr.io/x/worker"] = ["/worker"],
            ["ghcr.io/x/gateway"] = ["/any"],
        };

        Assert.Equal(program, ImageCatalog.CommandLine(new V1Container { Image = image }, images)?[0]);
    }

    [Fact]
    public void A_programs_path_may_hold_blanks()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("aifabric of my own ");
        try
        {
            string program = Path.Combine(folder.FullName, "worker");
            File.WriteAllText(program, "");
            using ServiceProvider services = new ServiceCollection().AddControllersAndNode(LocalClusterOptions.Parse(
                ["--data-dir", folder.FullName, "--no-controllers", "--image", $"worker={program}", "--image", "shell=/bin/sh -c"])).BuildServiceProvider();
            IDictionary<string, IReadOnlyList<string>> images = services.GetRequiredService<NodeOptions>().Images;
            Assert.Equal([program], images["worker"]);
            Assert.Equal(["/bin/sh", "-c"], images["shell"]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Probe_verdict_changes_only_at_its_thresholds()
    {
        var probe = new V1Probe { SuccessThreshold = 2, FailureThreshold = 3, PeriodSeconds = 5, InitialDelaySeconds = 7 };
        ProbeState state = ProbeState.Begin(probe, Start);
        Assert.Equal(Start.AddSeconds(7), state.NextAt);

        bool?[] verdicts = [.. new[] { true, true, false, false, true, false, false, false, true, true }.Select(ok => (state = state.Observe(probe, ok, "no", Start)).Passing)];

        Assert.Equal([null, true, true, true, true, true, true, false, false, true], verdicts);
        Assert.Equal(Start.AddSeconds(5), state.NextAt);
    }

    [Fact]
    public void Startup_probe_holds_the_others_back()
    {
        var probe = new V1Probe { PeriodSeconds = 1, FailureThreshold = 2 };
        var probes = new ContainerProbes(new V1Container { StartupProbe = probe, LivenessProbe = probe, ReadinessProbe = probe }, Start);

        Assert.Equal([ProbeKind.Startup], probes.TakeDue(Start).Select(d => d.Kind));
        Assert.Empty(probes.TakeDue(Start)); // it is running
        probes.Observe(ProbeKind.Startup, true, null, Start);
        Assert.Equal(new ProbeVerdict(true, false, null), probes.Verdict);
        Assert.Equal([ProbeKind.Liveness, ProbeKind.Readiness], probes.TakeDue(Start.AddSeconds(1)).Select(d => d.Kind));
        probes.Observe(ProbeKind.Readiness, true, null, Start);
        Assert.True(probes.Verdict.Ready);
        probes.Observe(ProbeKind.Liveness, false, "dead", Start);
        Assert.Null(probes.Verdict.Failure);
        probes.Observe(ProbeKind.Liveness, false, "dead", Start);
        Assert.Equal("failed liveness probe: dead", probes.Verdict.Failure);
    }

    [Theory]
    [InlineData("", "Keep")]
    [InlineData("Exists", "Keep")]
    [InlineData("Gone", "DeleteInBackground")]
    [InlineData("Exists,Gone", "DropGoneReferences")]
    [InlineData("WaitsForDependents", "DeleteInForeground")]
    [InlineData("WaitsForDependents,Exists", "Keep")]
    [InlineData("Gone,WaitsForDependents", "DeleteInForeground")]
    public void Garbage_is_what_no_owner_holds(string owners, string verdict) =>
        Assert.Equal(verdict, GarbageRules.Decide([.. owners.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(Enum.Parse<OwnerState>)]).ToString());

    private static RestartBackoff Backoff(int seconds) => new(TimeSpan.FromSeconds(seconds), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(10));
}
