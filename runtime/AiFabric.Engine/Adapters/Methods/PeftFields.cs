using System.Text.Json;
using System.Text.RegularExpressions;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Adapters.Methods;

/// <summary>The fields of an <c>adapter_config.json</c>; each refusal names the file, the field and what is allowed.</summary>
internal sealed class PeftFields(JsonElement root, string path)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1); // The expression comes with the adapter.

    /// <summary>Null where the field is absent or null.</summary>
    public JsonElement? Get(string field) =>
        root.TryGetProperty(field, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public bool Flag(string field) => Get(field) is { ValueKind: JsonValueKind.True };

    /// <exception cref="CheckpointException">It is none.</exception>
    public int PositiveInteger(string field) => Get(field) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out int number) && number >= 1
        ? number
        : throw Error($"{field} is {Text(field)}; it must be a positive integer");

    /// <exception cref="CheckpointException">It is none.</exception>
    public double PositiveNumber(string field) => Get(field) is { ValueKind: JsonValueKind.Number } value && value.GetDouble() is > 0 and < double.PositiveInfinity and var number
        ? number
        : throw Error($"{field} is {Text(field)}; it must be a positive number");

    /// <summary>A number in [0, 1); 0 where it is absent.</summary>
    /// <exception cref="CheckpointException">It is none.</exception>
    public double Fraction(string field)
    {
        if (Get(field) is not { } value)
            return 0;
        return value.ValueKind == JsonValueKind.Number && value.GetDouble() is >= 0 and < 1 and var number
            ? number
            : throw Error($"{field} is {value.GetRawText()}; it must be at least 0 and less than 1");
    }

    /// <summary>Module names, in order: of a list, or of a regular expression that they match whole.</summary>
    /// <exception cref="CheckpointException">It is neither.</exception>
    public IReadOnlyList<LoraTarget> Targets(string field, bool mayBeEmpty = false)
    {
        if (Get(field) is { ValueKind: JsonValueKind.String } text)
            return text.GetString() == "all-linear" ? LoraTargets.All : Matching(field, text.GetString() ?? "");
        if (Get(field) is not { ValueKind: JsonValueKind.Array } list || (list.GetArrayLength() == 0 && !mayBeEmpty))
            throw Error($"{field} is {Text(field)}; it must be a list of module names, or a regular expression for them");
        var targets = new SortedSet<LoraTarget>();
        foreach (JsonElement item in list.EnumerateArray())
        {
            if (!LoraTargets.TryParse(item.ToString(), out LoraTarget target))
            {
                string known = string.Join(", ", LoraTargets.All.Select(t => t.ModuleName()));
                throw Error($"{field} names {item.GetRawText()}; supported are {known}");
            }

            targets.Add(target);
        }

        return [.. targets];
    }

    /// <summary>Refuses fields that change what the adapter computes: to ignore one would give wrong answers.</summary>
    /// <exception cref="CheckpointException">One of them is set.</exception>
    public void RefuseUnsupported(ReadOnlySpan<(string Field, string Reason)> fields)
    {
        foreach ((string field, string reason) in fields)
        {
            if (Get(field) is { } value && !IsOff(value))
                throw Error($"{field} is {value.GetRawText()}: {reason}");
        }
    }

    public CheckpointException Error(string problem) => new($"{path}: {problem}.");

    public string Text(string field) => Get(field)?.GetRawText() ?? "absent";

    // One layer stands for all: where the expression means some of them alone, tensors of the others are missing in the file.
    private LoraTarget[] Matching(string field, string expression)
    {
        try
        {
            var names = new Regex($@"\A(?:{expression})\z", RegexOptions.CultureInvariant, Patience);
            LoraTarget[] targets = [.. LoraTargets.All.Where(target => names.IsMatch("model.layers.0." + target.ModulePath()))];
            return targets.Length > 0 ? targets : throw Error($"{field} is {Text(field)}, which matches no layer such as model.layers.0.self_attn.q_proj");
        }
        catch (Exception e) when (e is ArgumentException or RegexMatchTimeoutException)
        {
            throw Error($"{field} is {Text(field)}, which cannot be matched: {e.Message.TrimEnd('.')}");
        }
    }

    private static bool IsOff(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        _ => false,
    };
}
