using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Models;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters;

/// <summary>
/// The numbers of an adapter, as files hold them and training changes them: for each layer and target the method's parameters, in its order.
/// Owns its tensors.
/// </summary>
public sealed class AdapterValues : IDisposable
{
    private readonly Tensor[] tensors;
    private readonly int perTarget;
    private readonly int[] places; // of a target among those of the method; −1 for none

    /// <param name="method">What the adapter is.</param>
    /// <param name="layers">Layers of the model.</param>
    /// <param name="tensors">By layer, by target in the method's order, by parameter. Taken over: they leave their dispose scope.</param>
    internal AdapterValues(PeftMethod method, int layers, Tensor[] tensors)
    {
        (Method, Layers, this.tensors) = (method, layers, tensors);
        places = [.. LoraTargets.All.Select(target => method.EffectiveTargets.ToList().IndexOf(target))];
        perTarget = tensors.Length / (layers * method.EffectiveTargets.Count);
        foreach (Tensor tensor in tensors)
            tensor.DetachFromDisposeScope();
    }

    public PeftMethod Method { get; }

    public int Layers { get; }

    /// <summary>All of them, in the order of the constructor.</summary>
    public IReadOnlyList<Tensor> Tensors => tensors;

    /// <summary>The parameters of one linear layer; empty where it has none.</summary>
    public ReadOnlySpan<Tensor> this[int layer, LoraTarget target] => places[(int)target] is >= 0 and var place
        ? tensors.AsSpan(First(layer, place), perTarget)
        : [];

    /// <summary>Where each number of an adapter belongs, in the order of <see cref="Tensors"/>.</summary>
    internal static IEnumerable<AdapterSlot> Slots(PeftMethod method, DecoderConfig config)
    {
        for (int layer = 0; layer < config.Layers; layer++)
        {
            foreach (LoraTarget target in method.EffectiveTargets)
            {
                (int input, int output) = PeftFolder.Shape(config, target);
                foreach (AdapterParameter parameter in method.Parameters(target, input, output))
                    yield return new AdapterSlot(layer, target, parameter);
            }
        }
    }

    /// <summary>Makes values, one after the other in their order.</summary>
    /// <param name="method">What the adapter is.</param>
    /// <param name="config">The model.</param>
    /// <param name="make">The tensor of a slot. What was made is freed when it throws.</param>
    internal static AdapterValues Make(PeftMethod method, DecoderConfig config, Func<AdapterSlot, Tensor> make)
    {
        using var scope = NewDisposeScope();
        return new AdapterValues(method, config.Layers, [.. Slots(method, config).Select(make)]);
    }

    /// <summary>The index in <see cref="Tensors"/> of a linear layer's first parameter; it must have some.</summary>
    internal int FirstOf(int layer, LoraTarget target) => First(layer, places[(int)target]);

    /// <summary>The adapter that these values make of a model.</summary>
    /// <param name="name">Name in requests.</param>
    /// <param name="weights">The model; may be null for a method that does not look at it.</param>
    /// <param name="digest">Of the files.</param>
    internal PeftAdapter Build(string name, BaseWeights? weights, string digest = "")
    {
        var patches = new LinearPatch?[Layers][];
        for (int layer = 0; layer < Layers; layer++)
        {
            patches[layer] = new LinearPatch?[LoraTargets.All.Count];
            foreach (LoraTarget target in Method.EffectiveTargets)
                patches[layer][(int)target] = Patch(layer, target, weights);
        }

        return new PeftAdapter(name, Method, patches, digest);
    }

    public void Dispose()
    {
        foreach (Tensor tensor in tensors)
            tensor.Dispose();
    }

    private LinearPatch Patch(int layer, LoraTarget target, BaseWeights? weights)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        ReadOnlySpan<Tensor> values = this[layer, target];
        // Weights in plain memory become tensors only for a method that looks at them.
        return Method.ReadsWeights && weights is not null
            ? Method.Patch(values, Method.Constant(weights.Matrix(layer, target), values), weights.Vector(layer, target.Bias())).Keep()
            : Method.Patch(values, constant: null, bias: null).Keep();
    }

    private int First(int layer, int place) => ((layer * Method.EffectiveTargets.Count) + place) * perTarget;
}

/// <summary>A parameter's place in a model.</summary>
internal readonly record struct AdapterSlot(int Layer, LoraTarget Target, AdapterParameter Parameter)
{
    /// <summary>Its name in a model's layers, such as <c>layers.3.self_attn.q_proj.lora_A.weight</c>.</summary>
    public string Name => $"layers.{Layer}.{Target.ModulePath()}.{Parameter.Name}";
}
