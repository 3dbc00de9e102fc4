using System.Globalization;

namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>
/// State folders of control planes, all under one fixed folder and named after the test process that owns them, so that what a killed test run left
/// behind (processes too) is found and removed by the next.
/// </summary>
internal static class StateFolder
{
    private static readonly string Parent = Path.Combine(Path.GetTempPath(), "aifabric-real-cluster");
    private static int _count;

    /// <summary>Makes a new one.</summary>
    public static string Create()
    {
        string name = $"{Environment.ProcessId}-{StartOf(Environment.ProcessId)}-{Interlocked.Increment(ref _count)}";
        return Directory.CreateDirectory(Path.Combine(Parent, name)).FullName;
    }

    /// <summary>Takes down the control planes whose test process is no more.</summary>
    public static async Task SweepAsync(Func<string, Task> takeDown)
    {
        Directory.CreateDirectory(Parent);
        await using FileStream turn = await FileLock.TakeAsync(Path.Combine(Parent, "sweep.lock"), TimeSpan.FromMinutes(2));
        foreach (string folder in Directory.GetDirectories(Parent))
        {
            string[] owner = Path.GetFileName(folder).Split('-');
            if (owner is not [var id, var start, _] || !int.TryParse(id, CultureInfo.InvariantCulture, out int process) || StartOf(process) == start)
                continue;
            await takeDown(folder);
        }
    }

    /// <summary>When a process started, in clock ticks since boot; it tells a process from a later one with the same number. Null: there is none.</summary>
    private static string? StartOf(int process)
    {
        try
        {
            // Field 22 of proc(5); the name in field 2 may hold spaces and parentheses.
            string stat = File.ReadAllText($"/proc/{process}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
