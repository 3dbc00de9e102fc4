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

    private string PortsFile => Path.Combine(Root, "ports");

    private string SupervisorFile => Path.Combine(Root, "supervisor.pid");

    private string ClusterFile => Path.Combine(Cluster, "cluster.pid");

    /// <summary>Makes the folder for a fabric.</summary>
    /// <exception cref="CliException">It holds something else: a fabric would write between that, and a purge would take it away.</exception>
    public void Prepare()
    {
        if (Directory.Exists(Root) && !HasFabric() && Directory.EnumerateFileSystemEntries(Root).Any())
            throw new CliException($"{Root} is not empty and holds no fabric; name a new or an empty folder with --data-dir");
        Directory.CreateDirectory(Root);
        File.AppendAllText(Log, ""); // first of all that is made: it marks the folder as a fabric's
        Directory.CreateDirectory(Data);
    }

    /// <summary>Deletes the folder with all that is in it, if it is there.</summary>
    /// <exception cref="CliException">No fabric has been in it.</exception>
    public void Purge()
    {
        if (!Directory.Exists(Root))
            return;
        if (!HasFabric())
            throw new CliException($"{Root} holds no fabric; nothing was deleted");
        Directory.Delete(Root, recursive: true);
    }

    /// <summary>Whether the supervisor runs, or a cluster that has lost it.</summary>
    public bool IsRunning() => RunningSupervisor() is not null || RunningCluster() is not null;

    /// <summary>The running supervisor; null when none runs.</summary>
    public ProcessMark? RunningSupervisor() => Running(SupervisorFile);

    /// <summary>The cluster that holds the folder's lock, with or without a supervisor; null when none runs.</summary>
    public ProcessMark? RunningCluster() => Running(ClusterFile);

    /// <summary>Ports of the running fabric; null when none runs.</summary>
    public FabricPorts? RunningPorts() => RunningSupervisor() is null || !File.Exists(PortsFile) ? null : FabricPorts.Parse(File.ReadAllText(PortsFile));

    /// <summary>Records this process as the supervisor of a fabric with these ports.</summary>
    public void RecordSupervisor(FabricPorts ports)
    {
        File.WriteAllText(PortsFile, ports.ToString()); // first: who sees the supervisor sees its ports
        File.WriteAllText(SupervisorFile, ProcessMark.Current.ToString());
    }

    public void ForgetSupervisor() => File.Delete(SupervisorFile);

    private bool HasFabric() => File.Exists(Log) || File.Exists(ClusterFile);

    private static ProcessMark? Running(string file) =>
        File.Exists(file) && ProcessMark.Parse(File.ReadAllText(file)) is { } mark && mark.IsRunning() ? mark : null;
}
