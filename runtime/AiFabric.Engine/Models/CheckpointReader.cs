using System.Security.Cryptography;
using System.Text.Json;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>Takes tensors by name out of a model folder's one safetensors file, or out of its shards.</summary>
internal sealed class CheckpointReader : IDisposable
{
    private const string Single = "model.safetensors";
    private const string Index = "model.safetensors.index.json";

    private readonly string folder;
    private readonly ScalarType type;
    private readonly Device device;
    private readonly List<SafetensorsFile> files = [];
    private readonly Dictionary<string, SafetensorsFile> fileByTensor = new(StringComparer.Ordinal);
    private readonly List<Tensor> taken = [];

    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public CheckpointReader(string folder, ScalarType type, Device device)
    {
        (this.folder, this.type, this.device) = (folder, type, device);
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
    }

    /// <summary>Copies a tensor to memory of the wanted type and device; the caller owns it.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, or its shape is another.</exception>
    public Tensor Take(string name, params long[] shape)
    {
        using var scope = NewDisposeScope();
        var tensor = FileOf(name).Read(name, shape, type).to(device).DetachFromDisposeScope();
        taken.Add(tensor);
        return tensor;
    }

    /// <summary>A tensor as it lies in the mapped file, valid until this is disposed.</summary>
    /// <exception cref="CheckpointException">There is no such tensor, its shape is another, or it is larger than 2 GiB.</exception>
    public ReadOnlySpan<byte> Bytes(string name, ReadOnlySpan<long> shape, out ScalarType stored)
    {
        var file = FileOf(name);
        stored = file.TypeOf(name, shape);
        return file.Bytes(name);
    }

    /// <summary><c>sha256:…</c> of config.json and the weights.</summary>
    public string Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        foreach (string path in files.Select(file => file.Path).Prepend(Path.Combine(folder, "config.json")))
        {
            using var stream = File.OpenRead(path);
            for (int read; (read = stream.Read(buffer)) > 0;)
                hash.AppendData(buffer, 0, read);
        }
        return "sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Frees what was taken so far: a load that failed half way keeps nothing.</summary>
    public void DisposeTaken()
    {
        foreach (var tensor in taken)
            tensor.Dispose();
    }

    public void Dispose()
    {
        foreach (var file in files)
            file.Dispose();
    }

    private SafetensorsFile FileOf(string name) => fileByTensor.TryGetValue(name, out var file)
        ? file
        : throw new CheckpointException($"{folder}: no safetensors file holds tensor '{name}', which config.json asks for.");

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
}
