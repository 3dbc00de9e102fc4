using System.Globalization;
using System.Text.Json;
using AiFabric.LocalCluster.Node.Containers;

namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>A pod's folder: its record, volumes, logs.</summary>
internal sealed class PodFolder(string path)
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    public string Path => path;

    private string RecordFile => System.IO.Path.Combine(path, "pod.json");

    /// <summary>The record, or null when there is none.</summary>
    /// <exception cref="JsonException">The file is damaged.</exception>
    public PodRecord? Load() => File.Exists(RecordFile) ? JsonSerializer.Deserialize<PodRecord>(File.ReadAllText(RecordFile), Json) : null;

    public void Save(PodRecord record)
    {
        Directory.CreateDirectory(path);
        string fresh = RecordFile + ".new";
        File.WriteAllText(fresh, JsonSerializer.Serialize(record, Json));
        File.Move(fresh, RecordFile, overwrite: true);
    }

    public RunFolder Run(string container, int run) => RunFolder.Of(path, container, run);

    /// <summary>Removes the runs before the previous one: only two can be asked for.</summary>
    public void ForgetOldRuns(string container, int run)
    {
        string folder = System.IO.Path.Combine(path, "containers", container);
        foreach (string old in Directory.Exists(folder) ? Directory.GetDirectories(folder) : [])
        {
            if (int.TryParse(System.IO.Path.GetFileName(old), CultureInfo.InvariantCulture, out int number) && number < run - 1)
            {
                Directory.Delete(old, recursive: true);
            }
        }
    }

    public void Delete()
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }
}
