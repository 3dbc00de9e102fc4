using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Planning;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>
/// An adapter under training: master values and gradients (Float32, or Float64 for a Float64 model), and the adapter that forward
/// passes read, in the model's type. Where nothing is to be converted the two are the same tensors.
/// </summary>
internal sealed class TrainableAdapter : IDisposable
{
    private readonly BaseWeights weights;
    private readonly AdapterValues masters;
    private readonly AdapterSlot[] slots;
    private readonly Tensor[] forward;    // a master itself where nothing is to be converted
    private readonly Tensor?[] constants; // by the first parameter of a linear layer
    private readonly bool rounds;

    public TrainableAdapter(TrainingRecipe recipe, BaseWeights weights)
    {
        using var _ = no_grad();
        this.weights = weights;
        rounds = recipe.AdapterType == AdapterType.BFloat16;
        slots = [.. AdapterValues.Slots(recipe.Method, weights.Config)];
        ScalarType master = weights.Type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        int stream = 0;
        masters = AdapterValues.Make(recipe.Method, weights.Config, slot => First(slot, recipe.Seed, stream++).to(master).to(weights.Device));
        Masters = [.. masters.Tensors];
        // Vectors are held in Float32 at least, as masters are.
        forward = [.. slots.Select((slot, i) => rounds || (!slot.Parameter.IsVector && master != weights.Type)
            ? Masters[i].to(slot.Parameter.IsVector ? master : weights.Type, copy: true).DetachFromDisposeScope()
            : Masters[i])];
        constants = new Tensor?[slots.Length];
        Gradients = [.. Masters.Select(tensor => zeros_like(tensor).DetachFromDisposeScope())];
        Adapter = new PeftAdapter(
            recipe.AdapterName, recipe.Method, [.. Enumerable.Range(0, weights.Config.Layers).Select(_ => new LinearPatch?[LoraTargets.All.Count])]);
        Convert();
        Patch();
    }

    /// <summary>What forward passes read.</summary>
    public PeftAdapter Adapter { get; }

    /// <summary>In the order of <see cref="AdapterValues.Tensors"/>.</summary>
    public Tensor[] Masters { get; }

    /// <summary>Sums over the windows of the running batch, in the same order.</summary>
    public Tensor[] Gradients { get; }

    /// <summary>Names in checkpoints, in the same order.</summary>
    public IEnumerable<string> Names => slots.Select(slot => slot.Name);

    /// <summary>Hands changed master values to the forward passes.</summary>
    public void Publish()
    {
        using var _ = no_grad();
        Convert();
        if (Adapter.Method.ReadsWeights)
            Patch(); // Other methods' patches are views of the values.
    }

    /// <summary>Of the leaves of <see cref="Differentiable"/> so many, the first ones, belong to the matrices before this one.</summary>
    public int LeavesBefore(int layer, LoraTarget matrix) =>
        Adapter.Method.EffectiveTargets.Where(target => target < matrix).Sum(target => masters[layer, target].Length);

    /// <summary>The patches of one layer, with a graph that leads to new leaves in the caller's scope.</summary>
    /// <param name="layer">Which layer.</param>
    /// <param name="leaves">Receives the leaves, in the order of the layer's gradients.</param>
    /// <returns>By <see cref="LoraTarget"/>.</returns>
    public LinearPatch?[] Differentiable(int layer, List<Tensor> leaves)
    {
        var patches = new LinearPatch?[LoraTargets.All.Count];
        foreach (LoraTarget target in Adapter.Method.EffectiveTargets)
        {
            int first = masters.FirstOf(layer, target), before = leaves.Count;
            for (int i = 0; i < masters[layer, target].Length; i++)
                leaves.Add(forward[first + i].detach().requires_grad_());
            patches[(int)target] = Adapter.Method.Patch(leaves.ToArray().AsSpan(before), constants[first], weights.Vector(layer, target.Bias()));
        }

        return patches;
    }

    /// <summary>A copy on the CPU in Float32, for saving from another thread.</summary>
    public AdapterValues Snapshot()
    {
        using var _ = no_grad();
        int next = 0;
        return AdapterValues.Make(Adapter.Method, weights.Config, slot => Masters[next++].to(ScalarType.Float32).cpu().clone());
    }

    public void Dispose()
    {
        Adapter.Dispose();
        foreach (Tensor tensor in Gradients.Concat(forward).Concat(constants.OfType<Tensor>()))
            tensor.Dispose();
        masters.Dispose();
    }

    private void Convert()
    {
        using var scope = NewDisposeScope();
        for (int i = 0; i < forward.Length; i++)
        {
            if (!ReferenceEquals(forward[i], Masters[i]))
                forward[i].copy_(rounds ? Masters[i].to(ScalarType.BFloat16) : Masters[i]);
        }
    }

    private void Patch()
    {
        for (int i = 0; i < slots.Length; i += masters[slots[i].Layer, slots[i].Target].Length)
        {
            using var scope = NewDisposeScope();
            (int layer, LoraTarget target, AdapterParameter _) = slots[i];
            Span<Tensor> values = forward.AsSpan(i, masters[layer, target].Length);
            if (Adapter.Method.ReadsWeights)
            {
                constants[i]?.Dispose();
                constants[i] = Adapter.Method.Constant(weights.Matrix(layer, target), values)?.DetachFromDisposeScope();
            }

            Adapter.Replace(layer, target, Adapter.Method.Patch(values, constants[i], weights.Vector(layer, target.Bias())).Keep());
        }
    }

    private Tensor First(AdapterSlot slot, long seed, int stream) => slot.Parameter.Start switch
    {
        StartValue.Zero => zeros(slot.Parameter.Shape),
        StartValue.One => ones(slot.Parameter.Shape),
        StartValue.RowNorms => DoraMethod.RowNorms(Wide(weights.Matrix(slot.Layer, slot.Target))),
        _ => Uniform(slot.Parameter.Shape, seed, stream),
    };

    private static Tensor Wide(Tensor tensor) => tensor.dtype == ScalarType.Float64 ? tensor : tensor.to(ScalarType.Float32);

    private static Tensor Uniform(long[] shape, long seed, int stream)
    {
        var random = new SeededRandom(seed, stream);
        double bound = 1 / Math.Sqrt(shape[1]);
        var values = new double[shape[0] * shape[1]];
        for (int i = 0; i < values.Length; i++)
            values[i] = ((2 * random.NextDouble()) - 1) * bound;
        return tensor(values, shape);
    }
}
