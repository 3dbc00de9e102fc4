using AiFabric.Engine.Adapters;
using AiFabric.Engine.Adapters.Methods;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>Adapters of every method with random numbers, large enough to change what is generated.</summary>
internal static class RandomAdapter
{
    /// <summary>The methods, by name.</summary>
    public static IReadOnlyDictionary<string, PeftMethod> Methods { get; } = new Dictionary<string, PeftMethod>
    {
        ["LoRA"] = new LoraMethod { Rank = 4, Alpha = 2 },
        ["LoRA on some"] = new LoraMethod { Rank = 3, Alpha = 2, Targets = [LoraTarget.Key, LoraTarget.Down] },
        ["rsLoRA"] = new LoraMethod { Rank = 4, Alpha = 1, RankStabilized = true },
        ["DoRA"] = new DoraMethod { Rank = 4, Alpha = 2 },
        ["DoRA on some"] = new DoraMethod { Rank = 2, Alpha = 2, Targets = [LoraTarget.Value, LoraTarget.Output, LoraTarget.Up] },
        ["IA3"] = new Ia3Method(),
        ["IA3 on all"] = new Ia3Method { Targets = LoraTargets.All, FeedForward = [LoraTarget.Output, LoraTarget.Down] },
    };

    public static IEnumerable<string> MethodNames => Methods.Keys;

    /// <summary>Values for a model whose weights' rows have a norm of about 2.</summary>
    public static AdapterValues Values(PeftMethod method, DecoderConfig config, int seed, ScalarType type = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        manual_seed(seed);
        ScalarType wide = type == ScalarType.Float64 ? type : ScalarType.Float32;
        return AdapterValues.Make(method, config, slot =>
        {
            Tensor noise = randn(slot.Parameter.Shape);
            return slot.Parameter.Start switch
            {
                StartValue.One => (1 + (0.3 * noise)).to(wide),
                StartValue.RowNorms => (2 + (0.4 * noise)).to(wide),
                _ => (0.3 * noise).to(type),
            };
        });
    }
}
