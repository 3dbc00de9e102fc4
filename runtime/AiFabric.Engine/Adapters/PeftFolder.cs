using System.Security.Cryptography;
using System.Text;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters;

/// <summary>Adapters in the form of Hugging Face PEFT: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
public static class PeftFolder
{
    public const string ConfigFile = "adapter_config.json";
    public const string WeightsFile = "adapter_model.safetensors";
    private const string Weight = ".weight";

    /// <summary>Reads an adapter and makes it ready for a model.</summary>
    /// <param name="folder">Holds the two files; its name becomes the adapter's.</param>
    /// <param name="weights">The model it is for.</param>
    /// <param name="name">Name of the adapter; null for the folder's.</param>
    /// <exception cref="CheckpointException">As <see cref="Read"/>.</exception>
    public static PeftAdapter Load(string folder, BaseWeights weights, string? name = null)
    {
        using AdapterValues values = Read(folder, weights.Config, weights.Type, weights.Device);
        return values.Build(name ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), weights, DigestOf(folder));
    }

    /// <summary>Reads an adapter's numbers and holds every tensor against the model's shapes.</summary>
    /// <param name="folder">Holds the two files.</param>
    /// <param name="config">The model it is for.</param>
    /// <param name="type">Element type wanted in memory; vectors are held in Float32 at least.</param>
    /// <param name="device">Where the tensors live.</param>
    /// <exception cref="CheckpointException">
    /// A file is missing or damaged, asks for what is not supported, or a tensor is missing, unknown, of another shape or not finite; the message names it.
    /// </exception>
    public static AdapterValues Read(string folder, DecoderConfig config, ScalarType type, Device device)
    {
        TorchRuntime.EnsureLoaded();
        PeftMethod method = PeftConfig.Load(Path.Combine(folder, ConfigFile));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, WeightsFile));
        RefuseUnknown(file, config, method);
        ScalarType wide = type == ScalarType.Float64 ? type : ScalarType.Float32;
        return AdapterValues.Make(method, config, slot =>
        {
            string tensor = TensorName(slot);
            // Some writers keep the ".weight" that PEFT leaves out.
            if (!file.Tensors.ContainsKey(tensor) && file.Tensors.ContainsKey(tensor + Weight))
                tensor += Weight;
            Tensor numbers = file.Read(tensor, slot.Parameter.Shape, slot.Parameter.IsVector ? wide : type);
            return numbers.isfinite().all().item<bool>()
                ? numbers.to(device)
                : throw new CheckpointException($"{file.Path}: tensor '{tensor}' holds numbers that are not finite in {numbers.dtype}: every answer would fail; train or export the adapter again.");
        });
    }

    /// <summary>Writes an adapter. The folder appears whole or not at all; one already there is replaced.</summary>
    /// <param name="values">Not disposed.</param>
    /// <param name="config">The model.</param>
    /// <param name="folder">The folder to make.</param>
    /// <param name="baseModelName">For <c>base_model_name_or_path</c>.</param>
    /// <param name="type">Element type in the file.</param>
    /// <returns>The digest, as <see cref="DigestOf"/> gives it.</returns>
    /// <exception cref="IOException">The disk is full or the place cannot be written. What was there before stays.</exception>
    public static string Save(AdapterValues values, DecoderConfig config, string folder, string baseModelName, ScalarType type = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        var tensors = new List<KeyValuePair<string, Tensor>>();
        int next = 0;
        foreach (AdapterSlot slot in AdapterValues.Slots(values.Method, config))
            tensors.Add(new(TensorName(slot), values.Tensors[next++].detach().to(type)));

        string digest = string.Empty;
        FolderStorage.Write(folder, temporary =>
        {
            SafetensorsWriter.Write(Path.Combine(temporary, WeightsFile), tensors, new Dictionary<string, string> { ["format"] = "pt" });
            using (var config = new FileStream(Path.Combine(temporary, ConfigFile), FileMode.CreateNew))
            {
                config.Write(Encoding.UTF8.GetBytes(PeftConfig.ToJson(values.Method, baseModelName)));
                config.Flush(flushToDisk: true);
            }

            digest = DigestOf(temporary);
        });
        return digest;
    }

    /// <summary>
    /// The digest of an adapter folder: <c>sha256:</c> of what <c>sha256sum adapter_config.json adapter_model.safetensors</c> prints there.
    /// </summary>
    /// <exception cref="CheckpointException">A file is missing or unreadable.</exception>
    public static string DigestOf(string folder)
    {
        var lines = new StringBuilder();
        foreach (string name in (string[])[ConfigFile, WeightsFile])
        {
            string path = Path.Combine(folder, name);
            try
            {
                using FileStream stream = File.OpenRead(path);
                lines.Append(Convert.ToHexStringLower(SHA256.HashData(stream))).Append("  ").Append(name).Append('\n');
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
            }
        }

        return "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines.ToString())));
    }

    /// <summary>The sizes of a linear layer: what it reads and what it writes.</summary>
    internal static (int Input, int Output) Shape(DecoderConfig config, LoraTarget target)
    {
        int queries = config.Heads * config.HeadSize, keys = config.KeyValueHeads * config.HeadSize;
        return target switch
        {
            LoraTarget.Query => (config.HiddenSize, queries),
            LoraTarget.Key or LoraTarget.Value => (config.HiddenSize, keys),
            LoraTarget.Output => (queries, config.HiddenSize),
            LoraTarget.Gate or LoraTarget.Up => (config.HiddenSize, config.IntermediateSize),
            LoraTarget.Down => (config.IntermediateSize, config.HiddenSize),
            _ => throw new ArgumentOutOfRangeException(nameof(target), target, null),
        };
    }

    internal static string TensorName(in AdapterSlot slot) => $"base_model.model.model.{slot.Name}";

    private static void RefuseUnknown(SafetensorsFile file, DecoderConfig config, PeftMethod method)
    {
        var known = AdapterValues.Slots(method, config).Select(slot => TensorName(slot)).ToHashSet();
        foreach (string name in file.Tensors.Keys)
        {
            if (!known.Contains(name) && !(name.EndsWith(Weight, StringComparison.Ordinal) && known.Contains(name[..^Weight.Length])))
            {
                throw new CheckpointException(
                    $"{file.Path}: tensor '{name}' fits no target module of a model with {config.Layers} layers: the adapter is for another model, or of a kind that is not supported.");
            }
        }
    }
}
