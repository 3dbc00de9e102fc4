using System.Globalization;

namespace AiFabric.Cli.Fabric;

/// <summary>Where a local fabric keeps its state.</summary>
/// <param name="Root">The data folder.</param>
public sealed record FabricPaths(string Root)
{
    /// <summary>The folder used when none is named: <c>$AIFABRIC_DATA</c>, else <c>~/.aifabric</c>.</summary>
    public static string DefaultRoot =>
        Environment.GetEnvironmentVariable("AIFABRIC_DATA") is { Length: > 0 } set
            ? set
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".aifabric");

    public string Cluster => Path.Combine(Root, "cluster");

    public string Kubeconfig => Path.Combine(Root, "kubeconfig");

    /// <summary>Adapters and checkpoints.</summary>
    public string Data => Path.Combine(Root, "data");

    /// <summary>Models that were downloaded; they stay when the fabric goes down.</summary>
    public string Models => Path.Combine(Root, "models");

    public string Log => Path.Combine(Root, "fabric.log");

    private string PidFile => Path.Combine(Root, "supervisor.pid");

    /// <summary>Process id of the running supervisor; null when none runs.</summary>
    public int? RunningSupervisor()
    {
        if (!File.Exists(PidFile))
            return null;
        string[] parts = File.ReadAllText(PidFile).Split(' ');
        return parts.Length == 2 && int.TryParse(parts[0], CultureInfo.InvariantCulture, out int pid) && StartTime(pid) == parts[1].Trim() ? pid : null;
    }

    /// <summary>Records this process as the supervisor, with its start time, for process ids are reused.</summary>
    public void RecordSupervisor() => File.WriteAllText(
        PidFile, string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessId} {StartTime(Environment.ProcessId)}"));

    public void ForgetSupervisor() => File.Delete(PidFile);

    /// <summary>Kernel start time of a process in clock ticks since boot (proc(5), field 22); null when it is gone.</summary>
    private static string? StartTime(int pid)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19];
        }
        catch (IOException)
        {
            return null;
        }
    }
}
