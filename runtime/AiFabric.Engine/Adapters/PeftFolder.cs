using System.Security.Cryptography;
using System.Text;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters;

/// <summary>Adapters in the form of Hugging Face PEFT: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
public static class PeftFolder
{
    public const string ConfigFile = "adapter_config.json";
    public const string WeightsFile = "adapter_model.safetensors";

    /// <summary>Reads an adapter and holds every tensor against the model's shapes.</summary>
    /// <param name="folder">Holds the two files; its name becomes the adapter's.</param>
    /// <param name="config">The model it is for.</param>
    /// <param name="type">Element type wanted in memory.</param>
    /// <param name="device">Where the tensors live.</param>
    /// <param name="name">Name of the adapter; null for the folder's.</param>
    /// <exception cref="CheckpointException">
    /// A file is missing or damaged, asks for what is not supported, or a tensor is missing, unknown or of another shape; the message names it.
    /// </exception>
    public static LoraAdapter Load(string folder, DecoderConfig config, ScalarType type, Device device, string? name = null)
    {
        TorchRuntime.EnsureLoaded();
        PeftConfig peft = PeftConfig.Load(Path.Combine(folder, ConfigFile));
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, WeightsFile));
        RefuseUnknown(file, config, peft);
        string digest = DigestOf(folder);
        // Held by this scope until the adapter takes them over, so that a bad tensor leaks none of those before it.
        using var scope = NewDisposeScope();
        var pairs = new (Tensor A, Tensor B)?[config.Layers][];
        for (int layer = 0; layer < pairs.Length; layer++)
        {
            pairs[layer] = new (Tensor A, Tensor B)?[LoraTargets.All.Count];
            foreach (LoraTarget target in peft.Targets)
            {
                (int input, int output) = Shape(config, target);
                pairs[layer][(int)target] = (
                    file.Read(TensorName(layer, target, 'A'), [peft.Rank, input], type).to(device),
                    file.Read(TensorName(layer, target, 'B'), [output, peft.Rank], type).to(device));
            }
        }

        return new LoraAdapter(name ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)), peft.Rank, peft.Scale, pairs, digest);
    }

    /// <summary>Writes an adapter, as F32. The folder appears whole or not at all; one already there is replaced.</summary>
    /// <param name="adapter">Has the same targets in every layer. Not disposed.</param>
    /// <param name="folder">The folder to make.</param>
    /// <param name="baseModelName">For <c>base_model_name_or_path</c>.</param>
    /// <returns>The digest, as <see cref="DigestOf"/> gives it.</returns>
    /// <exception cref="ArgumentException">The targets differ by layer, which this form cannot say.</exception>
    /// <exception cref="IOException">The disk is full or the place cannot be written. What was there before stays.</exception>
    public static string Save(LoraAdapter adapter, string folder, string baseModelName)
    {
        LoraTarget[] targets = [.. LoraTargets.All.Where(target => adapter[0, target] is not null)];
        using var scope = NewDisposeScope();
        var tensors = new List<KeyValuePair<string, Tensor>>();
        for (int layer = 0; layer < adapter.LayerCount; layer++)
        {
            foreach (LoraTarget target in LoraTargets.All)
            {
                if (adapter[layer, target] is not null != targets.Contains(target))
                    throw new ArgumentException($"Layer {layer} differs from layer 0 in {target.ModuleName()}; every layer must have the same targets.", nameof(adapter));
                if (adapter[layer, target] is not { } pair)
                    continue;
                tensors.Add(new(TensorName(layer, target, 'A'), pair.A.detach().to(ScalarType.Float32)));
                tensors.Add(new(TensorName(layer, target, 'B'), pair.B.detach().to(ScalarType.Float32)));
            }
        }

        var peft = new PeftConfig(adapter.Rank, Math.Round(adapter.Scale * adapter.Rank, 9), false, targets);
        string digest = string.Empty;
        FolderStorage.Write(folder, temporary =>
        {
            SafetensorsWriter.Write(Path.Combine(temporary, WeightsFile), tensors, new Dictionary<string, string> { ["format"] = "pt" });
            using (var config = new FileStream(Path.Combine(temporary, ConfigFile), FileMode.CreateNew))
            {
                config.Write(Encoding.UTF8.GetBytes(peft.ToJson(baseModelName)));
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

    private static string TensorName(int layer, LoraTarget target, char part) =>
        $"base_model.model.model.layers.{layer}.{target.ModulePath()}.lora_{part}.weight";

    private static void RefuseUnknown(SafetensorsFile file, DecoderConfig config, PeftConfig peft)
    {
        var known = new HashSet<string>();
        for (int layer = 0; layer < config.Layers; layer++)
        {
            foreach (LoraTarget target in peft.Targets)
            {
                known.Add(TensorName(layer, target, 'A'));
                known.Add(TensorName(layer, target, 'B'));
            }
        }

        foreach (string name in file.Tensors.Keys)
        {
            if (!known.Contains(name))
            {
                throw new CheckpointException(
                    $"{file.Path}: tensor '{name}' fits no target module of a model with {config.Layers} layers: the adapter is for another model, or of a kind that is not supported.");
            }
        }
    }
}
