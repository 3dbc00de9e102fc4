using System.Text.Json;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Adapters;

/// <summary>The part of an <c>adapter_config.json</c> that a LoRA adapter of this engine can have.</summary>
/// <param name="Rank"><c>r</c>.</param>
/// <param name="Alpha"><c>lora_alpha</c>.</param>
/// <param name="RankStabilized"><c>use_rslora</c>: the scale is alpha / √r.</param>
/// <param name="Targets"><c>target_modules</c>.</param>
internal sealed record PeftConfig(int Rank, double Alpha, bool RankStabilized, IReadOnlyList<LoraTarget> Targets)
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    // Each changes what the adapter computes, so that ignoring it would give wrong answers.
    private static readonly (string Field, string Reason)[] Unsupported =
    [
        ("use_dora", "weight-decomposed adapters (DoRA) are not supported"),
        ("use_qalora", "quantization-aware adapters are not supported"),
        ("fan_in_fan_out", "transposed layers are not supported"),
        ("lora_bias", "biases in adapters are not supported"),
        ("modules_to_save", "fully trained modules are not supported; merge them into the base model"),
        ("rank_pattern", "ranks that differ by layer are not supported"),
        ("alpha_pattern", "scales that differ by layer are not supported"),
        ("layers_to_transform", "adapters on some layers only are not supported"),
        ("layers_pattern", "adapters on some layers only are not supported"),
        ("exclude_modules", "adapters on some layers only are not supported"),
        ("layer_replication", "replicated layers are not supported"),
        ("target_parameters", "adapters on bare parameters are not supported"),
        ("trainable_token_indices", "trained token embeddings are not supported"),
    ];

    public double Scale => RankStabilized ? Alpha / Math.Sqrt(Rank) : Alpha / Rank;

    /// <exception cref="CheckpointException">The file is missing or unreadable, a field is missing or senseless, or it asks for what is not supported.</exception>
    public static PeftConfig Load(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            return Read(document.RootElement, path);
        }
        // A string that is no Unicode text is found only when it is read.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{path}: is not valid JSON: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    public string ToJson(string baseModelName) => JsonSerializer.Serialize(
        new Dictionary<string, object?>
        {
            ["base_model_name_or_path"] = baseModelName,
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["lora_alpha"] = Alpha == Math.Truncate(Alpha) ? (int)Alpha : Alpha,
            ["lora_dropout"] = 0.0,
            ["modules_to_save"] = null,
            ["peft_type"] = "LORA",
            ["r"] = Rank,
            ["target_modules"] = Targets.Select(target => target.ModuleName()),
            ["task_type"] = "CAUSAL_LM",
            ["use_dora"] = false,
            ["use_rslora"] = RankStabilized,
        },
        Indented) + "\n";

    private static PeftConfig Read(JsonElement root, string path)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw Error(path, "the top level is not an object");
        if (Get(root, "peft_type") is not { ValueKind: JsonValueKind.String } kind || kind.GetString() != "LORA")
            throw Error(path, $"peft_type is {Get(root, "peft_type")?.GetRawText() ?? "absent"}; only \"LORA\" is supported");
        if (Get(root, "bias") is { } bias && bias.ToString() != "none")
            throw Error(path, $"bias is {bias.GetRawText()}; only \"none\" is supported");
        foreach ((string field, string reason) in Unsupported)
        {
            if (Get(root, field) is { } value && !IsOff(value))
                throw Error(path, $"{field} is {value.GetRawText()}: {reason}");
        }

        if (Get(root, "r") is not { ValueKind: JsonValueKind.Number } r || !r.TryGetInt32(out int rank) || rank < 1)
            throw Error(path, $"r is {Get(root, "r")?.GetRawText() ?? "absent"}; it must be a positive integer");
        if (Get(root, "lora_alpha") is not { ValueKind: JsonValueKind.Number } alpha || alpha.GetDouble() is not (> 0 and < double.PositiveInfinity))
            throw Error(path, $"lora_alpha is {Get(root, "lora_alpha")?.GetRawText() ?? "absent"}; it must be a positive number");
        bool stabilized = Get(root, "use_rslora") is { ValueKind: JsonValueKind.True };
        return new PeftConfig(rank, alpha.GetDouble(), stabilized, ReadTargets(root, path));
    }

    private static IReadOnlyList<LoraTarget> ReadTargets(JsonElement root, string path)
    {
        if (Get(root, "target_modules") is { ValueKind: JsonValueKind.String } all && all.GetString() == "all-linear")
            return LoraTargets.All;
        if (Get(root, "target_modules") is not { ValueKind: JsonValueKind.Array } list || list.GetArrayLength() == 0)
            throw Error(path, $"target_modules is {Get(root, "target_modules")?.GetRawText() ?? "absent"}; it must be a list of module names");
        var targets = new SortedSet<LoraTarget>();
        foreach (JsonElement item in list.EnumerateArray())
        {
            if (!LoraTargets.TryParse(item.ToString(), out LoraTarget target))
            {
                string known = string.Join(", ", LoraTargets.All.Select(t => t.ModuleName()));
                throw Error(path, $"target_modules names {item.GetRawText()}; supported are {known}");
            }

            targets.Add(target);
        }

        return [.. targets];
    }

    private static bool IsOff(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        _ => false,
    };

    private static JsonElement? Get(JsonElement root, string field) =>
        root.TryGetProperty(field, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static CheckpointException Error(string path, string problem) => new($"{path}: {problem}.");
}
