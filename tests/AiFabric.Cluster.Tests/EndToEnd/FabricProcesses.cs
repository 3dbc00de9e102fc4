using System.Diagnostics;
using System.Globalization;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>One run of a pod's container.</summary>
/// <param name="Pod">Name of the pod.</param>
/// <param name="ProcessId">Its process.</param>
/// <param name="Restarts">How often it was restarted before.</param>
/// <param name="Ready">Whether it passes its probe.</param>
public sealed record ContainerRun(string Pod, int ProcessId, int Restarts, bool Ready);

/// <summary>The processes of the fabric under test, and of no other.</summary>
public sealed class FabricProcesses(FabricFixture fabric)
{
    private const string ProcessScheme = "process://";

    /// <summary>Waits for the one ready container of the pods with this label.</summary>
    public async Task<ContainerRun> ReadyAsync(string space, string label)
    {
        ContainerRun[] runs = [];
        await FabricFixture.UntilAsync(
            async () =>
            {
                runs = await RunsAsync(space, label);
                return runs is [{ Ready: true }];
            },
            () => $"one ready pod of {label}; there are {string.Join(", ", runs.AsEnumerable())}");
        return runs[0];
    }

    public Task<ContainerRun> WorkerAsync() => ReadyAsync(FabricFixture.Space, "aifabric.io/model=demo");

    /// <summary>kill -9, then waits until the same pod's container runs again as another process.</summary>
    public async Task<ContainerRun> KillAsync(string space, string label)
    {
        ContainerRun before = await ReadyAsync(space, label);
        Kill(before.ProcessId);
        ContainerRun[] runs = [];
        await FabricFixture.UntilAsync(
            async () =>
            {
                runs = await RunsAsync(space, label);
                return runs is [{ Ready: true } run] && run.ProcessId != before.ProcessId;
            },
            () => $"a restart of {before}; there are {string.Join(", ", runs.AsEnumerable())}");
        Assert.Equal((before.Pod, before.Restarts + 1), (runs[0].Pod, runs[0].Restarts));
        return runs[0];
    }

    /// <summary>kill -9 of one of several ready containers; waits for nothing.</summary>
    public async Task<ContainerRun> KillOneAsync(string label)
    {
        ContainerRun victim = (await RunsAsync(FabricFixture.Space, label)).OrderBy(run => run.Pod, StringComparer.Ordinal).First(run => run.Ready);
        Kill(victim.ProcessId);
        return victim;
    }

    /// <summary>How often a pod's container was restarted.</summary>
    public async Task<int> RestartsAsync(string pod) =>
        (await fabric.Client.GetAsync<V1Pod>(pod, FabricFixture.Space))?.Status?.ContainerStatuses?.Sum(container => container.RestartCount) ?? 0;

    /// <summary>kill -9 of the API server, then waits until its supervisor has started another and it answers.</summary>
    public async Task KillApiServerAsync()
    {
        int before = Assert.Single(ApiServers());
        Kill(before);
        await FabricFixture.UntilAsync(
            async () => ApiServers() is [var pid] && pid != before && (await fabric.Client.ListAsync<V1Pod>(FabricFixture.Space)).Count > 0,
            () => "another API server");
    }

    private static void Kill(int processId)
    {
        using Process process = Process.GetProcessById(processId);
        process.Kill();
    }

    private async Task<ContainerRun[]> RunsAsync(string space, string label) =>
    [
        .. from pod in await fabric.Client.ListAsync<V1Pod>(space, label)
           where pod.Metadata.DeletionTimestamp is null
           from container in pod.Status?.ContainerStatuses ?? []
           select new ContainerRun(pod.Metadata.Name, ProcessId(container), container.RestartCount, container.Ready),
    ];

    private static int ProcessId(V1ContainerStatus container) =>
        container.ContainerID is { } id && id.StartsWith(ProcessScheme, StringComparison.Ordinal)
            ? int.Parse(id[ProcessScheme.Length..], CultureInfo.InvariantCulture)
            : 0;

    /// <summary>Processes of the local cluster that were given this fabric's data folder.</summary>
    private int[] ApiServers() =>
    [
        .. from process in Naming(Path.Combine(fabric.DataDirectory, "cluster"))
           where process.Arguments[0].EndsWith("AiFabric.LocalCluster", StringComparison.Ordinal)
           select process.Id,
    ];

    /// <summary>Processes of this machine with an argument that names this folder or a path in it.</summary>
    public static IReadOnlyList<(int Id, string[] Arguments)> Naming(string folder) =>
    [
        .. from process in Directory.EnumerateDirectories("/proc")
           let name = Path.GetFileName(process)
           where int.TryParse(name, CultureInfo.InvariantCulture, out _)
           let arguments = Arguments(process)
           where arguments.Any(argument => argument.Contains(folder, StringComparison.Ordinal))
           select (int.Parse(name, CultureInfo.InvariantCulture), arguments),
    ];

    private static string[] Arguments(string process)
    {
        try
        {
            return File.ReadAllText(Path.Combine(process, "cmdline")).Split('\0');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [""]; // It ended meanwhile.
        }
    }
}
