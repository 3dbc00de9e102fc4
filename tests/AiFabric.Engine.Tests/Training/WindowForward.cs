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
        LayerAngles angles = rotary.Range(window.Start, window.Count);
        var masks = LayerMasks.Causal(weights, window.Start, window.Count);
        Tensor x = weights.Embedding.index_select(0, tensor(window.Tokens.ToArray())) * config.EmbeddingScale;
        for (int layer = 0; layer < config.Layers; layer++)
        {
            int current = layer;
            window.SaveLayerInput(layer, x);
            var block = new DecoderBlock(config, weights.Layers[layer], Linear, BlockMath.Differentiable);
            (Tensor q, Tensor k, Tensor v) = block.Project(x, angles[layer]);
            (Tensor keys, Tensor values) = window.Append(layer, k, v);
            x = block.Finish(x, DecoderMath.Attention(q, keys, values, masks[layer], config));

            Tensor Linear(LoraTarget target, Tensor input)
            {
                DecoderLayer w = weights.Layers[current];
                return window.Adapter?[current, target] is { } patch
                    ? patch.Apply(input, w[target], w[target.Bias()], window.InputMask(current, target, input.dtype, input.device))
                    : nn.functional.linear(input, w[target], w[target.Bias()]);
            }
        }

        return x.MoveToOuterDisposeScope();
    }

    public void Dispose() => rotary.Dispose();
}
