using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Models;

/// <summary>The ropes that a model's layers turn by, each once.</summary>
internal sealed class LayerRopes
{
    private readonly int[] places;

    public LayerRopes(DecoderConfig config)
    {
        var ropes = new List<Rope?>();
        places = new int[config.Layers];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            var rope = config.AttentionOf(layer).Rope;
            if (!ropes.Contains(rope))
                ropes.Add(rope);
            places[layer] = ropes.IndexOf(rope);
        }
        All = ropes;
    }

    /// <summary>Null where layers turn by no angle at all.</summary>
    public IReadOnlyList<Rope?> All { get; }

    /// <summary>By layer: the place of its rope in <see cref="All"/>.</summary>
    public int[] Places => places;
}
