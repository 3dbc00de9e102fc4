namespace AiFabric.Engine.Weights.Families;

/// <summary>
/// Gemma 2 and the text model of Gemma 3: norms by 1 + w before and after attention and MLP, GELU, scaled embeddings, layers with a window
/// between layers without. Gemma 2 caps scores and logits (arXiv 2408.00118); Gemma 3 norms queries and keys instead and turns layers with
/// a window by a rope of their own (arXiv 2503.19786).
/// </summary>
/// <remarks>Source of fields and defaults: Hugging Face transformers, <c>configuration_gemma2.py</c> and <c>configuration_gemma3.py</c>.</remarks>
internal static class GemmaFamilies
{
    private const int DefaultWindow = 4096;

    public static DecoderConfig Gemma2(ConfigFields fields)
    {
        var shape = DecoderFamilies.Shape(fields, keyValueHeads: 4, headSize: 256, positions: 8192, tied: true);
        var config = RopeFields.WithRope(fields, Gemma(fields, shape, scoreCap: 50, logitCap: 30), theta: 10_000);
        int?[] windows = LayerFields.Windows(fields, config.Layers, fields.Size("sliding_window", DefaultWindow), layer => layer % 2 == 0);
        return config with { AttentionByLayer = LayerFields.Of(config, layer => new LayerAttention(windows[layer], config.Rope)) };
    }

    public static DecoderConfig Gemma3(ConfigFields fields)
    {
        var shape = DecoderFamilies.Shape(fields, keyValueHeads: 4, headSize: 256, positions: 131_072, tied: true);
        int positions = shape.MaximumPositions, period = fields.Size("sliding_window_pattern", fields.Size("_sliding_window_pattern", 6));
        var rope = RopeFields.OfType(fields, "full_attention", positions, () => RopeFields.Of(fields, positions, fields.Positive("rope_theta", 1_000_000)));
        var local = RopeFields.OfType(fields, "sliding_attention", positions, () => new Rope(fields.Positive("rope_local_base_freq", 10_000)));
        int?[] windows = LayerFields.Windows(fields, shape.Layers, fields.Size("sliding_window", DefaultWindow), layer => (layer + 1) % period != 0);
        var config = Gemma(fields, shape, scoreCap: null, logitCap: null) with { Rope = rope, QueryKeyNorms = true };
        return config with
        {
            AttentionByLayer = LayerFields.Of(config, layer => new LayerAttention(windows[layer], windows[layer] is null ? rope : local)),
        };
    }

    private static DecoderConfig Gemma(ConfigFields fields, DecoderConfig shape, double? scoreCap, double? logitCap)
    {
        fields.RequireOnly("hidden_activation", "gelu_pytorch_tanh");
        bool bias = fields.Flag("attention_bias");
        return shape with
        {
            NormOffset = 1,
            OutputNorms = true,
            Activation = Activation.GeluTanh,
            EmbeddingScale = Math.Sqrt(shape.HiddenSize),
            QueryPreAttentionScalar = fields.Positive("query_pre_attn_scalar", 256),
            AttentionSoftCap = fields.PositiveOrNull("attn_logit_softcapping", scoreCap),
            LogitSoftCap = fields.PositiveOrNull("final_logit_softcapping", logitCap),
            QueryKeyValueBias = bias,
            OutputBias = bias,
        };
    }
}
