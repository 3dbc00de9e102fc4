using System.Globalization;

namespace AiFabric.Benchmarks.CoServing;

/// <summary>A bound on the CPU time of a process, by a control group of either version. Needs root.</summary>
internal sealed class CpuQuota : IDisposable
{
    // Ten milliseconds, not the usual hundred: a process that has used its share is halted for the rest of the period, and nobody would halt tokens so long.
    private const int PeriodMicroseconds = 10_000;

    private readonly string folder;

    private CpuQuota(string folder) => this.folder = folder;

    /// <summary>Bounds a process and its threads.</summary>
    /// <param name="process">Its id.</param>
    /// <param name="percent">Of all cores together.</param>
    /// <exception cref="BenchException">No control group can be made.</exception>
    public static CpuQuota Set(int process, int percent)
    {
        int quota = PeriodMicroseconds * Environment.ProcessorCount * percent / 100;
        bool second = File.Exists("/sys/fs/cgroup/cgroup.controllers");
        string folder = Path.Combine(second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", $"aifabric-bench-{process}");
        try
        {
            if (second)
                File.WriteAllText("/sys/fs/cgroup/cgroup.subtree_control", "+cpu");
            Directory.CreateDirectory(folder);
            if (second)
            {
                Write(folder, "cpu.max", $"{quota} {PeriodMicroseconds}");
            }
            else
            {
                Write(folder, "cpu.cfs_period_us", PeriodMicroseconds.ToString(CultureInfo.InvariantCulture));
                Write(folder, "cpu.cfs_quota_us", quota.ToString(CultureInfo.InvariantCulture));
            }
            Write(folder, "cgroup.procs", process.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BenchException($"split systems need a CPU quota, but {folder} cannot be made ({e.Message}): run as root where control groups of the CPU can be written, or leave them out with --systems");
        }
        return new CpuQuota(folder);
    }

    /// <summary>Removes the group of a process that has ended.</summary>
    public void Dispose()
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (IOException)
        {
            // The kernel lets go of the last thread a moment later; an empty group does no harm.
        }
    }

    private static void Write(string folder, string file, string value) => File.WriteAllText(Path.Combine(folder, file), value);
}
