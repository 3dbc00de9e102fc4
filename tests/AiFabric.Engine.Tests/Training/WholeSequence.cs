using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Data;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>
/// The reference: a whole sequence at once, written from the model's definition with plain operations (repeated key heads, explicit
/// softmax, complex rotation) and differentiated by autograd in one go.
/// </summary>
internal static class WholeSequence
{
    /// <summary>Loss summed over the learned positions; adds nothing to any gradient by itself.</summary>
    public static Tensor Loss(DecoderWeights weights, TrainingSample sample, Func<int, LoraTarget, (Tensor A, Tensor B)?> pairs, double scale)
    {
        var config = weights.Config;
        int n = sample.Count, groups = config.Heads / config.KeyValueHeads;
        Tensor x = weights.Embedding.index_select(0, tensor(sample.Inputs));
        Tensor hidden = ones(n, n, ScalarType.Bool).triu(1);
        for (int layer = 0; layer < config.Layers; layer++)
        {
            int current = layer;
            DecoderLayer w = weights.Layers[layer];
            Tensor h = Norm(x, w.AttentionNorm);
            Tensor q = Rotate(Linear(h, w.Query, LoraTarget.Query).view(n, config.Heads, config.HeadSize));
            Tensor k = Rotate(Linear(h, w.Key, LoraTarget.Key).view(n, config.KeyValueHeads, config.HeadSize)).repeat_interleave(groups, 1);
            Tensor v = Linear(h, w.Value, LoraTarget.Value).view(n, config.KeyValueHeads, config.HeadSize).repeat_interleave(groups, 1);
            Tensor scores = einsum("ihd,jhd->hij", q, k) / Math.Sqrt(config.HeadSize);
            Tensor mixed = einsum("hij,jhd->ihd", scores.masked_fill(hidden, double.NegativeInfinity).softmax(-1), v).reshape(n, -1);
            x = x + Linear(mixed, w.Output, LoraTarget.Output);
            h = Norm(x, w.MlpNorm);
            Tensor gate = Linear(h, w.Gate, LoraTarget.Gate);
            x = x + Linear(gate * gate.sigmoid() * Linear(h, w.Up, LoraTarget.Up), w.Down, LoraTarget.Down);

            Tensor Linear(Tensor input, Tensor weight, LoraTarget target) => pairs(current, target) is { } pair
                ? input.matmul(weight.t() + (scale * pair.B.matmul(pair.A)).t())
                : input.matmul(weight.t());
        }

        Tensor logarithms = Norm(x, weights.FinalNorm).matmul(weights.Head.t()).log_softmax(-1);
        Tensor chosen = logarithms.gather(1, tensor(sample.Targets).unsqueeze(1)).squeeze(1);
        return -(chosen * tensor(sample.Learned.Select(learned => learned ? 1.0 : 0.0).ToArray())).sum();

        Tensor Norm(Tensor input, Tensor weight) => input / ((input * input).mean([-1], true) + config.NormEpsilon).sqrt() * weight;

        Tensor Rotate(Tensor heads)
        {
            long half = config.HeadSize / 2;
            Tensor angles = arange(n, ScalarType.Float64).unsqueeze(1)
                * (arange(half, ScalarType.Float64) * (-2.0 / config.HeadSize * Math.Log(config.RopeTheta))).exp().unsqueeze(0);
            Tensor turned = complex(heads.narrow(2, 0, half), heads.narrow(2, half, half)) * complex(angles.cos(), angles.sin()).unsqueeze(1);
            return cat([turned.real, turned.imag], 2);
        }
    }
}
