using System.Text.Json;

namespace AiFabric.Engine.Weights.Families;

/// <summary>Which layers see a window and which all before them.</summary>
internal static class LayerFields
{
    private const string Types = "layer_types", Full = "full_attention", Sliding = "sliding_attention";

    /// <summary>The windows by layer, from <c>layer_types</c> or by the family's own rule in files without it.</summary>
    /// <param name="fields">The file.</param>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="window">Positions that sliding layers see; null where the file turns windows off.</param>
    /// <param name="rule">Whether a layer slides where the file has no <c>layer_types</c>.</param>
    public static int?[] Windows(ConfigFields fields, int layers, int? window, Func<int, bool> rule)
    {
        if (fields.PerLayer(Types, layers) is { } types)
            return [.. types.Select(type => Window(fields, type, window))];
        return [.. Enumerable.Range(0, layers).Select(layer => window is not null && rule(layer) ? window : null)];
    }

    private static int? Window(ConfigFields fields, JsonElement type, int? window) => type.ToString() switch
    {
        Full => null,
        Sliding => window ?? throw fields.Error($"{Types} holds '{Sliding}', but the file turns sliding_window off"),
        _ => throw fields.Error($"{Types} holds {type.GetRawText()}; supported are '{Full}' and '{Sliding}'"),
    };

    /// <summary>How layers attend; an empty list where all see everything and turn by the model's rope.</summary>
    public static IReadOnlyList<LayerAttention> Of(DecoderConfig config, Func<int, LayerAttention> layer)
    {
        LayerAttention[] all = [.. Enumerable.Range(0, config.Layers).Select(layer)];
        return all.All(one => one == new LayerAttention(null, config.Rope)) ? [] : all;
    }
}
