namespace AiFabric.Cli.Fabric;

/// <summary>Finds the executables of the fabric beside this one.</summary>
public static class Components
{
    public const string LocalCluster = "AiFabric.LocalCluster";
    public const string Operator = "AiFabric.Operator";
    public const string Gateway = "AiFabric.Gateway";
    public const string Worker = "AiFabric.Worker";

    /// <summary>
    /// Path of a component's executable, which is named as its folder (the worker's is <c>aifabric-worker</c>): in <c>$AIFABRIC_HOME/NAME</c>,
    /// else beside this program's folder (<c>../NAME</c>), else in its build output (<c>../../NAME/{same configuration}*</c>).
    /// </summary>
    /// <exception cref="CliException">It is nowhere.</exception>
    public static string Find(string name)
    {
        string here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        string configuration = Path.GetFileName(here);
        string outputs = Path.GetFullPath(Path.Combine(here, "..", "..", name));
        IEnumerable<string> candidates =
        [
            .. Environment.GetEnvironmentVariable("AIFABRIC_HOME") is { Length: > 0 } home ? [Path.Combine(home, name)] : Array.Empty<string>(),
            Path.GetFullPath(Path.Combine(here, "..", name)),
            .. Directory.Exists(outputs) ? Directory.GetDirectories(outputs, configuration + "*") : [],
        ];
        string executable = name == Worker ? "aifabric-worker" : name;
        return candidates.Select(folder => Path.Combine(folder, executable)).FirstOrDefault(File.Exists)
            ?? throw new CliException($"{name} is not installed beside {here}; set AIFABRIC_HOME to the folder that holds it, or run 'make build'.");
    }
}
