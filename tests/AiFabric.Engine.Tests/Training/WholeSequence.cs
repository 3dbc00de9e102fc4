using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>
/// The reference: a whole sequence at once, written from the model's definition with plain operations (repeated key heads, explicit
/// softmax, complex rotation) and differentiated by autograd in one go.
/// </summary>
internal static class WholeSequence
{
    /// <summary>What a layer's linear layer makes of an input [n, in].</summary>
    public delegate Tensor LinearOf(int layer, LoraTarget target, Tensor input, Tensor weight, Tensor? bias);

    /// <summary>Loss summed over the learned positions; adds nothing to any gradient by itself.</summary>
    public static Tensor Loss(DecoderWeights weights, TrainingSample sample, LinearOf linear)
    {
        var config = weights.Config;
        int n = sample.Count, groups = config.Heads / config.KeyValueHeads;
        Tensor x = weights.Embedding.index_select(0, tensor(sample.Inputs)) * config.EmbeddingScale;
        for (int layer = 0; layer < config.Layers; layer++)
        {
            int current = layer;
            DecoderLayer w = weights.Layers[layer];
            LayerAttention attention = config.AttentionOf(layer);
            Tensor hidden = ones(n, n, ScalarType.Bool).triu(1) | ones(n, n, ScalarType.Bool).tril(-(attention.Window ?? n));
            Tensor h = Norm(x, w[LayerVector.AttentionNorm]);
            Tensor q = Rotate(Norm(Linear(h, LoraTarget.Query).view(n, config.Heads, config.HeadSize), w[LayerVector.QueryNorm]), attention.Rope);
            Tensor k = Rotate(Norm(Linear(h, LoraTarget.Key).view(n, config.KeyValueHeads, config.HeadSize), w[LayerVector.KeyNorm]), attention.Rope)
                .repeat_interleave(groups, 1);
            Tensor v = Linear(h, LoraTarget.Value).view(n, config.KeyValueHeads, config.HeadSize).repeat_interleave(groups, 1);
            Tensor scores = Cap(einsum("ihd,jhd->hij", q, k) * Math.Pow(config.QueryPreAttentionScalar ?? config.HeadSize, -0.5), config.AttentionSoftCap);
            Tensor mixed = einsum("hij,jhd->ihd", scores.masked_fill(hidden, double.NegativeInfinity).softmax(-1), v).reshape(n, -1);
            x = x + Norm(Linear(mixed, LoraTarget.Output), w[LayerVector.AttentionOutputNorm]);
            h = Norm(x, w[LayerVector.MlpNorm]);
            x = x + Norm(Linear(Activate(Linear(h, LoraTarget.Gate)) * Linear(h, LoraTarget.Up), LoraTarget.Down), w[LayerVector.MlpOutputNorm]);

            Tensor Linear(Tensor input, LoraTarget target) => linear(current, target, input, w[target], w[LayerVector.QueryBias + (int)target]);
        }

        Tensor logarithms = Cap(Norm(x, weights.FinalNorm).matmul(weights.Head.t()), config.LogitSoftCap).log_softmax(-1);
        Tensor chosen = logarithms.gather(1, tensor(sample.Targets).unsqueeze(1)).squeeze(1);
        return -(chosen * tensor(sample.Learned.Select(learned => learned ? 1.0 : 0.0).ToArray())).sum();

        Tensor Norm(Tensor input, Tensor? weight) =>
            weight is null ? input : input / ((input * input).mean([-1], true) + config.NormEpsilon).sqrt() * weight;

        Tensor Cap(Tensor input, double? cap) => cap is { } most ? (input / most).tanh() * most : input;

        Tensor Activate(Tensor input) => config.Activation == Activation.Silu
            ? input * input.sigmoid()
            : 0.5 * input * (1 + ((input + (0.044715 * input.pow(3))) * Math.Sqrt(2 / Math.PI)).tanh());

        Tensor Rotate(Tensor heads, Rope? rope)
        {
            if (rope is null)
                return heads;
            long half = config.HeadSize / 2;
            Tensor angles = arange(n, ScalarType.Float64).unsqueeze(1) * tensor(rope.Frequencies(config.HeadSize)).unsqueeze(0);
            Tensor turned = complex(heads.narrow(2, 0, half), heads.narrow(2, half, half)) * complex(angles.cos(), angles.sin()).unsqueeze(1);
            return cat([turned.real, turned.imag], 2) * rope.Magnitude;
        }
    }
}
