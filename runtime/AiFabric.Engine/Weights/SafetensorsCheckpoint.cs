using System.Collections.Immutable;
using System.Text.Json;
using static TorchSharp.torch;

namespace AiFabric.Engine.Weights;

/// <summary>A Hugging Face model folder's one safetensors file, or its shards.</summary>
internal sealed class SafetensorsCheckpoint : ICheckpoint
{
    private const string Single = "model.safetensors";
    private const string Index = "model.safetensors.index.json";

    private readonly List<SafetensorsFile> files = [];
    private readonly Dictionary<string, SafetensorsFile> fileByTensor = new(StringComparer.Ordinal);
    private readonly HashSet<string> found = new(StringComparer.Ordinal);

    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public SafetensorsCheckpoint(string folder)
    {
        try
        {
            foreach (string name in FileNames(folder))
                Open(Path.Combine(folder, name));
        }
        catch
        {
            Dispose();
            throw;
        }
        Files = [Path.Combine(folder, "config.json"), .. files.Select(file => file.Path)];
    }

    public IReadOnlyList<string> Files { get; }

    /// <summary>Whether a folder has weights of this kind.</summary>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, Single)) || File.Exists(Path.Combine(folder, Index));

    public StoredTensor? Find(string name)
    {
        if (!fileByTensor.TryGetValue(name, out var file))
            return null;
        found.Add(name);
        return new Entry(file, file.Tensors[name]);
    }

    /// <summary>What lies in a layer belongs to the model, but for frequencies, which it recomputes: a bias that is left out would go unnoticed.</summary>
    public void RequireComplete()
    {
        if (fileByTensor.Keys.FirstOrDefault(IsLeftOut) is { } left)
            throw new CheckpointException($"{fileByTensor[left].Path}: tensor '{left}' takes no part in what config.json says of the model.");
    }

    public void Dispose()
    {
        foreach (var file in files)
            file.Dispose();
    }

    private bool IsLeftOut(string name) =>
        name.StartsWith("model.layers.", StringComparison.Ordinal) && !name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal) && !found.Contains(name);

    private void Open(string path)
    {
        var file = SafetensorsFile.Open(path);
        files.Add(file);
        foreach (string name in file.Tensors.Keys)
        {
            if (!fileByTensor.TryAdd(name, file))
                throw new CheckpointException($"{path}: tensor '{name}' is also in another shard.");
        }
    }

    private static IEnumerable<string> FileNames(string folder)
    {
        string index = Path.Combine(folder, Index);
        if (File.Exists(Path.Combine(folder, Single)) || !File.Exists(index))
            return [Single];
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(index));
            string[] names = [.. document.RootElement.GetProperty("weight_map").EnumerateObject().Select(entry => entry.Value.GetString() ?? "")];
            // A shard is a file of this folder: a path that leads elsewhere is refused.
            if (names.FirstOrDefault(name => name.Length == 0 || name != Path.GetFileName(name)) is { } wrong)
                throw new CheckpointException($"{index}: '{wrong}' is not the name of a file in this folder.");
            return names.Distinct().Order(StringComparer.Ordinal);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{index}: cannot be read: {e.Message}", e);
        }
    }

    private sealed class Entry(SafetensorsFile file, TensorEntry entry) : StoredTensor
    {
        public override string Place => $"{file.Path}: tensor '{entry.Name}'";

        public override ImmutableArray<long> Shape => entry.Shape;

        public override ScalarType Type => entry.Type;

        public override void Release() => file.Release(entry);

        protected override void CopyRows(long first, Span<byte> to) => file.Bytes(entry, first * Columns * ElementBytes, to.Length).CopyTo(to);
    }
}
