using System.Diagnostics;
using System.Globalization;
using AiFabric.Cluster.Tests.RealCluster;
using k8s.Models;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>The process of a pod's container, seen from the machine that both nodes are.</summary>
internal static class ContainerProcess
{
    /// <summary>kill -9, as the kernel does when memory runs out.</summary>
    public static void Kill(V1Pod pod)
    {
        using Process process = Process.GetProcessById(Find(pod));
        process.Kill();
    }

    /// <summary>Stops it in its tracks: it holds its connections and does nothing. <see cref="ResumeAsync"/> lets it go on.</summary>
    public static Task PauseAsync(V1Pod pod) => SignalAsync(pod, "STOP");

    public static Task ResumeAsync(V1Pod pod) => SignalAsync(pod, "CONT");

    /// <summary>Processes of this name in the pods of the machine.</summary>
    public static int Count(string name)
    {
        Process[] processes = Process.GetProcessesByName(name);
        int count = processes.Count(process => Groups(process.Id.ToString(CultureInfo.InvariantCulture)).Contains("/kubepods", StringComparison.Ordinal));
        foreach (Process process in processes)
            process.Dispose();
        return count;
    }

    private static Task<string> SignalAsync(V1Pod pod, string signal) => Shell.RunAsync(
        "kill", [$"-{signal}", Find(pod).ToString(CultureInfo.InvariantCulture)], new Dictionary<string, string?>());

    /// <summary>The first process whose control group is the pod's only container.</summary>
    private static int Find(V1Pod pod)
    {
        string id = pod.Status.ContainerStatuses.Single().ContainerID["containerd://".Length..];
        return Directory.EnumerateDirectories("/proc")
            .Select(Path.GetFileName)
            .Where(name => int.TryParse(name, CultureInfo.InvariantCulture, out _))
            .Where(name => Groups(name!).Contains(id, StringComparison.Ordinal)) // A path below /proc has a last part.
            .Select(name => int.Parse(name!, CultureInfo.InvariantCulture))
            .Order()
            .First();
    }

    private static string Groups(string process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cgroup");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ""; // It ended meanwhile.
        }
    }
}
