using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters.Methods;

/// <summary>
/// Scaling of what a linear layer writes, its bias included, or, at a feed-forward module, of what it reads: (IA)³ (Liu et al., arXiv 2205.05638).
/// </summary>
public sealed record Ia3Method : PeftMethod
{
    // Their inputs are read by nobody else, so that a batch's rows can be scaled in place.
    private static readonly LoraTarget[] MayScaleInput = [LoraTarget.Output, LoraTarget.Down];

    public override int Rank
    {
        get => 0;
        init => throw new NotSupportedException("(IA)³ has no rank.");
    }

    /// <summary>Targets whose input is scaled; null for the down projection, where it is a target.</summary>
    public IReadOnlyList<LoraTarget>? FeedForward { get; init; }

    internal override string PeftType => "IA3";

    internal override IReadOnlyList<LoraTarget> UsualTargets { get; } = [LoraTarget.Key, LoraTarget.Value, LoraTarget.Down];

    internal override IReadOnlyList<AdapterParameter> Parameters(LoraTarget target, int input, int output) =>
        [new("ia3_l", ScalesInput(target) ? [1, input] : [output, 1], StartValue.One, IsVector: true)];

    internal override LinearPatch Patch(ReadOnlySpan<Tensor> values, Tensor? constant, Tensor? bias) => values[0].shape[0] == 1
        ? new LinearPatch { InputScale = values[0].view(-1) }
        : new LinearPatch { OutputScale = values[0].view(-1) };

    // What is scaled; a scaled input is read by nobody but the weight.
    internal override (bool Input, long Numbers) Keeps(LoraTarget target, long input, long output, bool allWeights) =>
        ScalesInput(target) ? (true, allWeights ? input : 0) : (false, output);

    internal override string? Problem(DecoderConfig config) => null;

    internal override void Write(IDictionary<string, object?> fields)
    {
        fields["feedforward_modules"] = EffectiveTargets.Where(ScalesInput).Select(target => target.ModuleName()).ToArray();
        fields["init_ia3_weights"] = true;
    }

    internal static PeftMethod Read(PeftFields fields)
    {
        var targets = fields.Targets("target_modules");
        var scaled = fields.Get("feedforward_modules") is null ? [] : fields.Targets("feedforward_modules", mayBeEmpty: true);
        foreach (LoraTarget target in scaled)
        {
            if (!MayScaleInput.Contains(target))
                throw fields.Error($"feedforward_modules names {target.ModuleName()}, whose input other modules read too; supported are o_proj and down_proj");
            if (!targets.Contains(target))
                throw fields.Error($"feedforward_modules names {target.ModuleName()}, which is not in target_modules");
        }

        return new Ia3Method { Targets = targets, FeedForward = scaled };
    }

    private bool ScalesInput(LoraTarget target) => FeedForward is null ? target == LoraTarget.Down : FeedForward.Contains(target);
}
