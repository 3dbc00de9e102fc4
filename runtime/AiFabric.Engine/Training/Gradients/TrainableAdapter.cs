using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Planning;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>
/// An adapter under training: master values and gradients (Float32, or Float64 for a Float64 model), and the adapter that forward
/// passes read, in the model's type. Where the types are equal the two are the same tensors.
/// </summary>
internal sealed class TrainableAdapter : IDisposable
{
    private readonly bool separate;

    /// <summary>A is Kaiming-uniform (a = √5, as PEFT does it: ±1/√in), B zero: the first forward pass equals the base model's.</summary>
    public TrainableAdapter(TrainingRecipe recipe, BaseWeights weights)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        ScalarType master = weights.Type == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32;
        separate = master != weights.Type;
        var config = weights.Config;
        var masters = new List<Tensor>();
        var names = new List<string>();
        var pairs = new (Tensor A, Tensor B)?[config.Layers][];
        for (int layer = 0; layer < config.Layers; layer++)
        {
            pairs[layer] = new (Tensor A, Tensor B)?[LoraTargets.All.Count];
            foreach (LoraTarget target in recipe.EffectiveTargets)
            {
                (int input, int output) = PeftFolder.Shape(config, target);
                Tensor a = Uniform(recipe.Rank, input, recipe.Seed, masters.Count).to(master).to(weights.Device).DetachFromDisposeScope();
                Tensor b = zeros(output, recipe.Rank, dtype: master, device: weights.Device).DetachFromDisposeScope();
                masters.AddRange([a, b]);
                names.AddRange([$"layers.{layer}.{target.ModulePath()}.lora_A", $"layers.{layer}.{target.ModulePath()}.lora_B"]);
                pairs[layer][(int)target] = separate ? (a.to(weights.Type), b.to(weights.Type)) : (a, b);
            }
        }

        Adapter = new LoraAdapter(recipe.AdapterName, recipe.Rank, (double)recipe.Alpha / recipe.Rank, pairs);
        (Masters, Names) = ([.. masters], [.. names]);
        Gradients = [.. masters.Select(tensor => zeros_like(tensor).DetachFromDisposeScope())];
    }

    /// <summary>What forward passes read.</summary>
    public LoraAdapter Adapter { get; }

    /// <summary>In the order of <see cref="LoraAdapter.Tensors"/>.</summary>
    public Tensor[] Masters { get; }

    /// <summary>Sums over the windows of the running batch, in the same order.</summary>
    public Tensor[] Gradients { get; }

    /// <summary>Names in checkpoints, in the same order.</summary>
    public string[] Names { get; }

    /// <summary>Hands changed master values to the forward passes.</summary>
    public void Publish()
    {
        if (!separate)
            return;
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        int index = 0;
        foreach (Tensor tensor in Adapter.Tensors)
            tensor.copy_(Masters[index++]);
    }

    /// <summary>A copy on the CPU in Float32, for saving from another thread.</summary>
    public LoraAdapter Snapshot()
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        int index = 0;
        var pairs = new (Tensor A, Tensor B)?[Adapter.LayerCount][];
        for (int layer = 0; layer < pairs.Length; layer++)
        {
            pairs[layer] = new (Tensor A, Tensor B)?[LoraTargets.All.Count];
            foreach (LoraTarget target in LoraTargets.All)
            {
                if (Adapter[layer, target] is not null)
                    pairs[layer][(int)target] = (Copy(Masters[index++]), Copy(Masters[index++]));
            }
        }

        return new LoraAdapter(Adapter.Name, Adapter.Rank, Adapter.Scale, pairs);

        static Tensor Copy(Tensor tensor) => tensor.to(ScalarType.Float32).cpu().clone();
    }

    public void Dispose()
    {
        Adapter.Dispose();
        foreach (Tensor tensor in Gradients)
            tensor.Dispose();
        if (!separate)
            return; // The adapter owned them.
        foreach (Tensor tensor in Masters)
            tensor.Dispose();
    }

    private static Tensor Uniform(int rows, int columns, long seed, int stream)
    {
        var random = new SeededRandom(seed, stream);
        double bound = 1 / Math.Sqrt(columns);
        var values = new double[(long)rows * columns];
        for (int i = 0; i < values.Length; i++)
            values[i] = ((2 * random.NextDouble()) - 1) * bound;
        return tensor(values, rows, columns);
    }
}
