using AiFabric.Engine.Adapters.Methods;

namespace AiFabric.Engine.Adapters;

/// <summary>An adapter as the passes apply it: a patch for each linear layer that it changes. Owns the patches.</summary>
/// <param name="name">Name under which requests ask for the adapter.</param>
/// <param name="method">What it is.</param>
/// <param name="patches">By layer, then by <see cref="LoraTarget"/>; null where a layer stays as it is. Taken over.</param>
/// <param name="digest"><c>sha256:…</c> of the adapter's files; empty for one that was never saved.</param>
public sealed class PeftAdapter(string name, PeftMethod method, LinearPatch?[][] patches, string digest = "") : IDisposable
{
    public string Name { get; } = name;

    public PeftMethod Method { get; } = method;

    /// <summary>Rank of its matrices; 0 for a method without them.</summary>
    public int Rank => Method.Rank;

    /// <summary><c>sha256:…</c> of the adapter's files; empty while it is being trained.</summary>
    public string Digest { get; } = digest;

    /// <summary>Layers of the model it was made for.</summary>
    public int LayerCount => patches.Length;

    /// <summary>The patch of one linear layer, or null where it has none.</summary>
    public LinearPatch? this[int layer, LoraTarget target] => patches[layer][(int)target];

    /// <summary>Puts a patch in the place of another, which is disposed.</summary>
    internal void Replace(int layer, LoraTarget target, LinearPatch patch)
    {
        patches[layer][(int)target]?.Dispose();
        patches[layer][(int)target] = patch;
    }

    public void Dispose()
    {
        foreach (var patch in patches.SelectMany(layer => layer))
            patch?.Dispose();
    }
}
