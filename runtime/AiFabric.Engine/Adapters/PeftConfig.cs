using System.Text.Json;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Adapters;

/// <summary>Methods as <c>adapter_config.json</c> states them.</summary>
internal static class PeftConfig
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    private static readonly Dictionary<string, Func<PeftFields, PeftMethod>> Readers = new()
    {
        ["LORA"] = LoraMethod.Read,
        ["IA3"] = Ia3Method.Read,
    };

    private static readonly (string Field, string Reason)[] Unsupported =
    [
        ("fan_in_fan_out", "transposed layers are not supported"),
        ("modules_to_save", "fully trained modules are not supported; merge them into the base model"),
        ("layers_to_transform", "adapters on some layers only are not supported"),
        ("layers_pattern", "adapters on some layers only are not supported"),
        ("exclude_modules", "adapters on some layers only are not supported"),
    ];

    /// <exception cref="CheckpointException">The file is missing or unreadable, a field is missing or senseless, or it asks for what is not supported.</exception>
    public static PeftMethod Load(string path)
    {
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path));
            var fields = new PeftFields(document.RootElement, path);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw fields.Error("the top level is not an object");
            if (fields.Get("peft_type") is not { ValueKind: JsonValueKind.String } kind || !Readers.TryGetValue(kind.GetString() ?? "", out var read))
                throw fields.Error($"peft_type is {fields.Text("peft_type")}; supported are {string.Join(" and ", Readers.Keys.Select(name => $"\"{name}\""))}");
            fields.RefuseUnsupported(Unsupported);
            return read(fields);
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

    public static string ToJson(PeftMethod method, string baseModelName)
    {
        var fields = new SortedDictionary<string, object?>(StringComparer.Ordinal)
        {
            ["base_model_name_or_path"] = baseModelName,
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["modules_to_save"] = null,
            ["peft_type"] = method.PeftType,
            ["target_modules"] = method.EffectiveTargets.Select(target => target.ModuleName()),
            ["task_type"] = "CAUSAL_LM",
        };
        method.Write(fields);
        return JsonSerializer.Serialize(fields, Indented) + "\n";
    }
}
