namespace AiFabric.Engine.Weights.Families;

/// <summary>Llama 2 and 3, Mistral and SmolLM3, which differ in what layers see and whether they turn. SmolLM 1 and 2 are Llamas.</summary>
/// <remarks>Source of fields and defaults: Hugging Face transformers, <c>configuration_*.py</c> of the model types.</remarks>
internal static class LlamaFamilies
{
    public static DecoderConfig Llama(ConfigFields fields)
    {
        fields.RequireOnly("hidden_act", "silu");
        bool bias = fields.Flag("attention_bias");
        var shape = DecoderFamilies.Shape(fields, keyValueHeads: null, headSize: null, positions: 2048, tied: false);
        return RopeFields.WithRope(fields, shape, theta: 10_000) with
        {
            QueryKeyValueBias = bias,
            OutputBias = bias,
            MlpBias = fields.Flag("mlp_bias"),
        };
    }

    public static DecoderConfig Mistral(ConfigFields fields)
    {
        fields.RequireOnly("hidden_act", "silu");
        var shape = DecoderFamilies.Shape(fields, keyValueHeads: 8, headSize: null, positions: 131_072, tied: false);
        var config = RopeFields.WithRope(fields, shape, theta: 10_000);
        // A file without the field means 4,096; one that says null means no window.
        int? window = fields.Has("sliding_window") && fields.Get("sliding_window") is null ? null : fields.Size("sliding_window", 4096);
        int?[] windows = LayerFields.Windows(fields, config.Layers, window, _ => true);
        return config with { AttentionByLayer = LayerFields.Of(config, layer => new LayerAttention(windows[layer], config.Rope)) };
    }

    public static DecoderConfig SmolLM3(ConfigFields fields)
    {
        fields.RequireOnly("hidden_act", "silu");
        bool bias = fields.Flag("attention_bias");
        var shape = DecoderFamilies.Shape(fields, keyValueHeads: 4, headSize: null, positions: 32_768, tied: true);
        var config = RopeFields.WithRope(fields, shape, theta: 2_000_000);
        bool[] turns = Turns(fields, config.Layers);
        int? window = fields.Flag("use_sliding_window") ? fields.Size("sliding_window") : null;
        int?[] windows = LayerFields.Windows(fields, config.Layers, window, layer => !turns[layer]);
        return config with
        {
            QueryKeyValueBias = bias,
            OutputBias = bias,
            MlpBias = fields.Flag("mlp_bias"),
            AttentionByLayer = LayerFields.Of(config, layer => new LayerAttention(windows[layer], turns[layer] ? config.Rope : null)),
        };
    }

    // Despite its name, no_rope_layers holds 1 for layers that turn.
    private static bool[] Turns(ConfigFields fields, int layers)
    {
        int interval = fields.Size("no_rope_layer_interval", 4);
        return fields.PerLayer("no_rope_layers", layers) is { } listed
            ? [.. listed.Select(item => item.GetRawText() switch
            {
                "0" => false,
                "1" => true,
                _ => throw fields.Wrong("no_rope_layers", item, "0 or 1 for each layer"),
            })]
            : [.. Enumerable.Range(0, layers).Select(layer => (layer + 1) % interval != 0)];
    }
}
