using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace AiFabric.Gateway.Finetuning;

/// <summary>
/// A folder of records that outlives the process and may be shared by several gateways: a file is written beside its place, flushed to disk and
/// renamed, so that a reader, or the next process after a kill, meets it whole or not at all.
/// </summary>
/// <param name="path">The folder; made when it is first written to.</param>
public sealed class DurableFolder(string path)
{
    public string Path { get; } = path;

    public string At(string name) => System.IO.Path.Combine(Path, name);

    /// <summary>Reads a record; null when there is none.</summary>
    public T? Read<T>(string name, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(At(name)), type);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Writes a record in place of one of the same name.</summary>
    /// <exception cref="IOException">The disk is full or away.</exception>
    public void Write<T>(string name, T record, JsonTypeInfo<T> type) => File.Move(WriteBeside(name, record, type), At(name), overwrite: true);

    /// <summary>Writes a record unless there is one of that name: of several gateways that saw the same, the first tells it.</summary>
    /// <returns>Whether it was written.</returns>
    /// <exception cref="IOException">The disk is full or away.</exception>
    public bool TryAdd<T>(string name, T record, JsonTypeInfo<T> type)
    {
        if (File.Exists(At(name)))
            return false;
        string temporary = WriteBeside(name, record, type);
        try
        {
            File.Move(temporary, At(name), overwrite: false);
            return true;
        }
        catch (IOException) when (File.Exists(At(name)))
        {
            File.Delete(temporary);
            return false;
        }
    }

    /// <summary>Names of the records, without those half written.</summary>
    public IEnumerable<string> Names() => Directory.Exists(Path)
        ? Directory.EnumerateFileSystemEntries(Path).Select(entry => System.IO.Path.GetFileName(entry)).Where(name => !name.StartsWith('.'))
        : [];

    /// <summary>The folder below this one.</summary>
    public DurableFolder Below(string name) => new(At(name));

    private string WriteBeside<T>(string name, T record, JsonTypeInfo<T> type)
    {
        Directory.CreateDirectory(Path);
        string temporary = At($".{name}.{Guid.NewGuid():n}");
        using FileStream file = File.Create(temporary);
        JsonSerializer.Serialize(file, record, type);
        file.Flush(flushToDisk: true);
        return temporary;
    }
}
