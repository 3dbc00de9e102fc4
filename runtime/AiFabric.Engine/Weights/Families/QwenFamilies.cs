namespace AiFabric.Engine.Weights.Families;

/// <summary>Qwen 2 and 2.5, whose queries, keys and values have biases, and Qwen 3, which norms heads of queries and keys instead.</summary>
/// <remarks>Source of fields and defaults: Hugging Face transformers, <c>configuration_qwen2.py</c> and <c>configuration_qwen3.py</c>.</remarks>
internal static class QwenFamilies
{
    public static DecoderConfig Qwen2(ConfigFields fields) => Read(fields, headSize: null) with { QueryKeyValueBias = true };

    public static DecoderConfig Qwen3(ConfigFields fields)
    {
        bool bias = fields.Flag("attention_bias");
        return Read(fields, headSize: 128) with { QueryKeyNorms = true, QueryKeyValueBias = bias, OutputBias = bias };
    }

    private static DecoderConfig Read(ConfigFields fields, int? headSize)
    {
        fields.RequireOnly("hidden_act", "silu");
        var shape = DecoderFamilies.Shape(fields, keyValueHeads: 32, headSize, positions: 32_768, tied: false);
        var config = RopeFields.WithRope(fields, shape, theta: 10_000);
        // Files state a window even where use_sliding_window turns it off.
        int? window = fields.Flag("use_sliding_window") ? fields.Size("sliding_window", 4096) : null;
        int first = Count(fields, "max_window_layers", 28);
        int?[] windows = LayerFields.Windows(fields, config.Layers, window, layer => layer >= first);
        return config with { AttentionByLayer = LayerFields.Of(config, layer => new LayerAttention(windows[layer], config.Rope)) };
    }

    // Unlike a size it may be 0: then every layer slides.
    private static int Count(ConfigFields fields, string name, int absent) => fields.Get(name)?.GetRawText() == "0" ? 0 : fields.Size(name, absent);
}
