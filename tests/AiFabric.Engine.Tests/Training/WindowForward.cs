using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>The engine's part of a training window, for one window alone: the shared forward pass without any inference in it.</summary>
internal sealed class WindowForward(DecoderWeights weights) : IDisposable
{
    private readonly RotaryTable rotary = new(weights.Config, weights.Type, weights.Device);

    /// <returns>[n, hidden] before the final norm, owned by the caller.</returns>
    public Tensor Run(TrainingWindow window)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var config = weights.Config;
        (Tensor cos, Tensor sin) = rotary.Range(window.Start, window.Count);
        Tensor? mask = DecoderMath.CausalMask(window.Start, window.Count, config.Heads / config.KeyValueHeads, weights.Type, weights.Device);
        Tensor x = weights.Embedding.index_select(0, tensor(window.Tokens.ToArray()));
        for (int layer = 0; layer < config.Layers; layer++)
        {
            DecoderLayer w = weights.Layers[layer];
            window.SaveLayerInput(layer, x);
            Tensor h = DecoderMath.RmsNorm(x, w.AttentionNorm, config.NormEpsilon);
            Tensor q = DecoderMath.ApplyRotary(Linear(h, w.Query, LoraTarget.Query).view(window.Count, config.Heads, config.HeadSize), cos, sin);
            Tensor k = DecoderMath.ApplyRotary(Linear(h, w.Key, LoraTarget.Key).view(window.Count, config.KeyValueHeads, config.HeadSize), cos, sin);
            Tensor v = Linear(h, w.Value, LoraTarget.Value).view(window.Count, config.KeyValueHeads, config.HeadSize);
            (Tensor keys, Tensor values) = window.Append(layer, k, v);
            x = x + Linear(DecoderMath.Attention(q, keys, values, mask), w.Output, LoraTarget.Output);
            h = DecoderMath.RmsNorm(x, w.MlpNorm, config.NormEpsilon);
            x = x + Linear(DecoderMath.GatedSilu(Linear(h, w.Gate, LoraTarget.Gate), Linear(h, w.Up, LoraTarget.Up)), w.Down, LoraTarget.Down);

            Tensor Linear(Tensor input, Tensor weight, LoraTarget target)
            {
                Tensor result = nn.functional.linear(input, weight);
                return window.Adapter?[layer, target] is { } pair
                    ? result + (nn.functional.linear(nn.functional.linear(input, pair.A), pair.B) * window.Adapter.Scale)
                    : result;
            }
        }

        return x.MoveToOuterDisposeScope();
    }

    public void Dispose() => rotary.Dispose();
}
