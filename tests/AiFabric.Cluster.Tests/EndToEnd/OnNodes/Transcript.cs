using AiFabric.Cluster.Tests.RealCluster;

namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>What was typed and answered, for the log of the test run and for <c>artifacts/test-results/on-nodes.log</c>.</summary>
public sealed class Transcript
{
    private readonly string _file;

    private Transcript(string file) => _file = file;

    public static Transcript Open()
    {
        string folder = Path.Combine(ControlPlane.Repository, "artifacts", "test-results");
        Directory.CreateDirectory(folder);
        var transcript = new Transcript(Path.Combine(folder, "on-nodes.log"));
        File.Delete(transcript._file);
        return transcript;
    }

    public void Add(string command, string answer)
    {
        string text = $"$ {command}\n{answer.TrimEnd()}\n\n";
        File.AppendAllText(_file, text);
        using var output = new StreamWriter(Console.OpenStandardOutput());
        output.Write(text); // The runner shows the output of failed tests only.
    }
}
