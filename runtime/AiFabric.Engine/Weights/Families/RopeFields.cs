namespace AiFabric.Engine.Weights.Families;

/// <summary>
/// Rotary embeddings in both spellings: <c>rope_theta</c> beside <c>rope_scaling</c>, and <c>rope_parameters</c>, which holds both, or both for
/// each type of layer.
/// </summary>
internal static class RopeFields
{
    private const string New = "rope_parameters", Old = "rope_scaling";

    /// <summary>What all layers share.</summary>
    /// <param name="fields">The file.</param>
    /// <param name="config">The shape read so far, whose positions some kinds stretch.</param>
    /// <param name="theta">Where the file names none.</param>
    public static DecoderConfig WithRope(ConfigFields fields, DecoderConfig config, double theta)
    {
        RefusePartial(fields);
        var rope = Of(fields, config.MaximumPositions, fields.Positive("rope_theta", theta));
        // YaRN's configs often keep the length before it.
        long reach = rope.Scaling is YarnScaling yarn ? (long)(yarn.OriginalPositions * yarn.Factor) : 0;
        return config with { Rope = rope, MaximumPositions = (int)Math.Clamp(reach, config.MaximumPositions, DecoderConfig.MostPositions) };
    }

    /// <summary>The rope of one type of layer, for families whose types differ.</summary>
    /// <param name="fields">The file.</param>
    /// <param name="layerType"><c>full_attention</c> or <c>sliding_attention</c>.</param>
    /// <param name="positions">Longest sequence.</param>
    /// <param name="absent">What files in the older spelling mean.</param>
    public static Rope OfType(ConfigFields fields, string layerType, int positions, Func<Rope> absent)
    {
        if (fields.Object(New) is not { } all)
            return absent();
        RefuseBoth(fields);
        return all.Object(layerType) is { } one
            ? Parse(one, positions, one.Positive("rope_theta"))
            : throw fields.Error($"{New}.{layerType} is missing");
    }

    /// <summary>The rope in either spelling.</summary>
    public static Rope Of(ConfigFields fields, int positions, double theta)
    {
        if (fields.Object(New) is not { } parameters)
            return fields.Object(Old) is { } scaling ? Parse(scaling, positions, theta) : new Rope(theta);
        RefuseBoth(fields);
        if (parameters.Has("full_attention") || parameters.Has("sliding_attention"))
            throw fields.Error($"{New} differs by type of layer, which this family does not");
        return Parse(parameters, positions, parameters.Positive("rope_theta", theta));
    }

    private static void RefusePartial(ConfigFields fields)
    {
        if (fields.Get("partial_rotary_factor") is not null && fields.Positive("partial_rotary_factor") is not 1.0 and var part)
            throw fields.Error($"{fields.Prefix}partial_rotary_factor is {part}: rotary embeddings that turn a part of each head are not supported");
    }

    private static void RefuseBoth(ConfigFields fields) => fields.RefuseIfPresent(Old, $"{New} is there too; keep one of them");

    private static Rope Parse(ConfigFields fields, int positions, double theta)
    {
        RefusePartial(fields);
        string kind = fields.Text("rope_type", fields.Text("type", "default"));
        return new Rope(theta, kind switch
        {
            "default" => null,
            "linear" => new LinearScaling(fields.Positive("factor")),
            "llama3" => Llama3(fields),
            "yarn" => Yarn(fields, positions, theta),
            "dynamic" => throw Refusal("its angles change while a sequence grows, and cached keys are stored turned; use 'yarn' or 'linear'"),
            _ => throw Refusal("supported are 'default', 'linear', 'llama3' and 'yarn'"),
        });

        CheckpointException Refusal(string reason) => fields.Error($"{fields.Prefix}rope_type is '{kind}': {reason}");
    }

    private static Llama3Scaling Llama3(ConfigFields fields)
    {
        double low = fields.Positive("low_freq_factor"), high = fields.Positive("high_freq_factor");
        return high > low
            ? new Llama3Scaling(fields.Positive("factor"), low, high, fields.Size("original_max_position_embeddings"))
            : throw fields.Error($"{fields.Prefix}high_freq_factor ({high}) must be above low_freq_factor ({low})");
    }

    private static YarnScaling Yarn(ConfigFields fields, int positions, double theta)
    {
        if (theta <= 1)
            throw fields.Error($"rope_theta is {theta}; 'yarn' needs one above 1");
        int original = fields.Size("original_max_position_embeddings", positions);
        double factor = fields.Positive("factor", (double)positions / original);
        double fast = fields.Positive("beta_fast", 32), slow = fields.Positive("beta_slow", 1);
        if (fast < slow)
            throw fields.Error($"{fields.Prefix}beta_fast ({fast}) must not be below beta_slow ({slow})");
        return new YarnScaling(factor, original, fast, slow, AttentionFactor(fields, factor), fields.Flag("truncate", absent: true));
    }

    private static double AttentionFactor(ConfigFields fields, double factor)
    {
        if (fields.Get("attention_factor") is not null)
            return fields.Positive("attention_factor");
        return fields.Get("mscale") is not null && fields.Get("mscale_all_dim") is not null
            ? Magnitude(fields.Positive("mscale")) / Magnitude(fields.Positive("mscale_all_dim"))
            : Magnitude(1);

        double Magnitude(double scale) => factor <= 1 ? 1 : (0.1 * scale * Math.Log(factor)) + 1;
    }
}
