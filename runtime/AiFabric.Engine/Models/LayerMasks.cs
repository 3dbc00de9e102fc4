using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Models;

/// <summary>The masks of some rows, by layer: one tensor for each of the windows that a model's layers have, owned by the scope of its making.</summary>
internal sealed class LayerMasks
{
    private readonly Tensor?[] masks;

    /// <param name="config">Gives the windows.</param>
    /// <param name="make">The mask of a window; null stands for no window, and for no mask.</param>
    public LayerMasks(DecoderConfig config, Func<int?, Tensor?> make)
    {
        var byWindow = new Dictionary<int, Tensor?>();
        masks = new Tensor?[config.Layers];
        for (int layer = 0; layer < masks.Length; layer++)
        {
            int? window = config.AttentionOf(layer).Window;
            if (!byWindow.TryGetValue(window ?? 0, out masks[layer]))
                byWindow.Add(window ?? 0, masks[layer] = make(window));
        }
    }

    public Tensor? this[int layer] => masks[layer];

    /// <summary>Of consecutive rows of one sequence.</summary>
    /// <param name="weights">Gives shape, type and device.</param>
    /// <param name="start">Position of the first row.</param>
    /// <param name="count">Rows.</param>
    public static LayerMasks Causal(BaseWeights weights, int start, int count) => new(
        weights.Config,
        window => DecoderMath.CausalMask(start, count, weights.Config.Heads / weights.Config.KeyValueHeads, weights.Type, weights.Device, window));
}
