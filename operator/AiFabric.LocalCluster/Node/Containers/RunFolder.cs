using System.Globalization;
using AiFabric.LocalCluster.Node.Logs;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>The files of one run of a container: its log, its process number, its exit code.</summary>
internal sealed record RunFolder(string Path)
{
    public string LogFile => System.IO.Path.Combine(Path, LogStore.FileName);

    public static RunFolder Of(string podFolder, string container, int run) =>
        new(System.IO.Path.Combine(podFolder, "containers", container, run.ToString(CultureInfo.InvariantCulture)));

    /// <summary>The exit code and when it was written; null while the container runs or when its supervisor was killed.</summary>
    public (int Code, DateTimeOffset At)? Exit() =>
        Number("exit") is { } code ? (code, new DateTimeOffset(File.GetLastWriteTimeUtc(System.IO.Path.Combine(Path, "exit")), TimeSpan.Zero)) : null;

    /// <summary>The process number of the container's command.</summary>
    public int? Main() => Number("pid");

    /// <summary>The process number of the supervising shell.</summary>
    public int? Leader() => Number("leader");

    private int? Number(string file)
    {
        string path = System.IO.Path.Combine(Path, file);
        if (!File.Exists(path))
        {
            return null; // the usual case, asked for several times a second: an exception would cost more than all the rest
        }

        try
        {
            return int.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out int number) ? number : null;
        }
        catch (IOException)
        {
            return null; // removed meanwhile
        }
    }
}
