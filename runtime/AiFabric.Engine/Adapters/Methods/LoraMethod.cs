using System.Globalization;
using System.Text.Json;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters.Methods;

/// <summary>Low-rank additions, <c>y = W·x + s · B·(A·x)</c> (Hu et al., arXiv 2106.09685).</summary>
public record LoraMethod : PeftMethod
{
    // Ways to begin that leave the base model's weights as they are. PEFT reads their names in any case.
    private static readonly HashSet<string> PlainStarts = new(["gaussian", "eva", "orthogonal"], StringComparer.OrdinalIgnoreCase);

    /// <summary>Rows of every A and columns of every B.</summary>
    public override int Rank { get; init; } = 16;

    public double Alpha { get; init; } = 32;

    /// <summary>Whether s is alpha / √rank (Kalajdzievski, arXiv 2312.03732) and not alpha / rank.</summary>
    public bool RankStabilized { get; init; }

    /// <summary>Part of A's inputs that is dropped in training, the rest scaled up.</summary>
    public override double Dropout { get; init; }

    /// <summary>s.</summary>
    public double Scale => RankStabilized ? Alpha / Math.Sqrt(Rank) : Alpha / Rank;

    internal override string PeftType => "LORA";

    internal override IReadOnlyList<LoraTarget> UsualTargets => LoraTargets.All;

    internal override IReadOnlyList<AdapterParameter> Parameters(LoraTarget target, int input, int output) =>
        [new("lora_A.weight", [Rank, input], StartValue.Uniform), new("lora_B.weight", [output, Rank], StartValue.Zero)];

    internal override LinearPatch Patch(ReadOnlySpan<Tensor> values, Tensor? constant, Tensor? bias) =>
        new() { A = values[0].alias(), B = values[1].alias(), Scale = Scale };

    // A's input, or with dropout the mask and what it leaves; and B's input.
    internal override (bool Input, long Numbers) Keeps(LoraTarget target, long input, long output, bool allWeights) =>
        (Dropout == 0, Rank + (Dropout == 0 ? 0 : 2 * input));

    internal override string? Problem(DecoderConfig config)
    {
        if (Rank < 1 || Rank > config.HiddenSize)
            return $"rank is {Rank}; it must be 1 to the model's hidden size, {config.HiddenSize}";
        if (!(double.IsFinite(Alpha) && Alpha > 0))
            return string.Create(CultureInfo.InvariantCulture, $"alpha is {Alpha}; it must be a positive number");
        return Dropout is >= 0 and < 1 ? null : string.Create(CultureInfo.InvariantCulture, $"dropout is {Dropout}; it must be at least 0 and less than 1");
    }

    internal override void Write(IDictionary<string, object?> fields)
    {
        fields["bias"] = "none";
        fields["init_lora_weights"] = true;
        fields["lora_alpha"] = Alpha == Math.Truncate(Alpha) && Alpha <= int.MaxValue ? (int)Alpha : Alpha;
        fields["lora_dropout"] = Dropout;
        fields["r"] = Rank;
        fields["use_dora"] = ReadsWeights;
        fields["use_rslora"] = RankStabilized;
    }

    internal static PeftMethod Read(PeftFields fields)
    {
        fields.RefuseUnsupported(
            [
                ("use_qalora", "quantization-aware adapters are not supported"),
                ("lora_bias", "biases in adapters are not supported"),
                ("rank_pattern", "ranks that differ by layer are not supported"),
                ("alpha_pattern", "scales that differ by layer are not supported"),
                ("layer_replication", "replicated layers are not supported"),
                ("target_parameters", "adapters on bare parameters are not supported"),
                ("trainable_token_indices", "trained token embeddings are not supported"),
                ("alora_invocation_tokens", "activated LoRA, which acts only behind these tokens, is not supported"),
            ]);
        if (fields.Get("bias") is { } bias && bias.ToString() != "none")
            throw fields.Error($"bias is {bias.GetRawText()}; only \"none\" is supported");
        RequirePlainStart(fields);
        var method = fields.Flag("use_dora") ? new DoraMethod() : new LoraMethod();
        return method with
        {
            Rank = fields.PositiveInteger("r"),
            Alpha = fields.PositiveNumber("lora_alpha"),
            RankStabilized = fields.Flag("use_rslora"),
            Dropout = fields.Fraction("lora_dropout"),
            Targets = fields.Targets("target_modules"),
        };
    }

    // For PiSSA, OLoRA, CorDA and LoftQ PEFT takes something off the base model's weights when it loads the adapter, which here nobody does.
    private static void RequirePlainStart(PeftFields fields)
    {
        bool isPlain = fields.Get("init_lora_weights") is not { } start
            || start.ValueKind is JsonValueKind.True or JsonValueKind.False || PlainStarts.Contains(start.ToString());
        if (isPlain)
            return;
        throw fields.Error(
            $"init_lora_weights is {fields.Text("init_lora_weights")}; supported are true, false, \"gaussian\", \"eva\" and \"orthogonal\", which leave the base model's weights " +
            "as they are: convert the adapter to plain LoRA on saving (save_pretrained of PEFT with path_initial_model_for_weight_conversion), or merge it into the base model");
    }
}
