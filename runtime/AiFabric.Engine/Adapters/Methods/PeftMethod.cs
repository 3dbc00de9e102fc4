using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Adapters.Methods;

/// <summary>How a parameter begins, so that the first pass equals the base model's.</summary>
internal enum StartValue
{
    Zero,
    One,

    /// <summary>Kaiming-uniform with a = √5, as PEFT does it: ±1/√in.</summary>
    Uniform,

    /// <summary>The norms of the weight's rows.</summary>
    RowNorms,
}

/// <summary>A tensor that a method trains at one linear layer.</summary>
/// <param name="Name">End of its name in files, such as <c>lora_A.weight</c>.</param>
/// <param name="Shape">Its shape in files.</param>
/// <param name="Start">Its first values.</param>
/// <param name="IsVector">Whether it scales rows or columns: such are held in Float32 at least.</param>
internal sealed record AdapterParameter(string Name, long[] Shape, StartValue Start, bool IsVector = false);

/// <summary>
/// A way to adapt a frozen model (PEFT): which numbers there are at a linear layer, what they make of it, and how Hugging Face PEFT writes
/// it down. Everything else (passes, gradients, checkpoints, files) reads a method through this type.
/// </summary>
public abstract record PeftMethod
{
    /// <summary>Linear layers that are adapted; empty for the method's usual ones.</summary>
    public IReadOnlyList<LoraTarget> Targets { get; init; } = [];

    /// <summary>Rank of its matrices; 0 without them.</summary>
    public abstract int Rank { get; init; }

    /// <summary>Part of its inputs that is dropped in training, in [0, 1).</summary>
    public virtual double Dropout { get => 0; init => throw new NotSupportedException("The method has no dropout."); }

    /// <summary><c>peft_type</c>.</summary>
    internal abstract string PeftType { get; }

    /// <summary>The targets, without repeats and in order; the usual ones when none is named.</summary>
    internal IReadOnlyList<LoraTarget> EffectiveTargets => Targets.Count == 0 ? UsualTargets : [.. Targets.Distinct().Order()];

    /// <summary>Targets when none is named.</summary>
    internal abstract IReadOnlyList<LoraTarget> UsualTargets { get; }

    /// <summary>Whether <see cref="Constant"/> wants the layer's weight.</summary>
    internal virtual bool ReadsWeights => false;

    /// <summary>What it trains at a linear layer, in a fixed order.</summary>
    /// <param name="target">Which layer.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="output">What it writes.</param>
    internal abstract IReadOnlyList<AdapterParameter> Parameters(LoraTarget target, int input, int output);

    /// <summary>What gradients take as given although it follows from the values; owned by the caller's scope. Null for nothing.</summary>
    /// <param name="weight">[out, in], frozen.</param>
    /// <param name="values">The parameters.</param>
    internal virtual Tensor? Constant(Tensor weight, ReadOnlySpan<Tensor> values) => null;

    /// <summary>What the values make of a linear layer, differentiable by them. New tensors in the caller's scope.</summary>
    /// <param name="values">The parameters.</param>
    /// <param name="constant">From <see cref="Constant"/>.</param>
    /// <param name="bias">[out], the layer's bias, or null.</param>
    internal abstract LinearPatch Patch(ReadOnlySpan<Tensor> values, Tensor? constant, Tensor? bias);

    /// <summary>What gradients of its values keep of a linear layer's forward, by row.</summary>
    /// <param name="target">Which layer.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="output">What it writes.</param>
    /// <param name="allWeights">Whether the layer's own weight wants a gradient too.</param>
    /// <returns>Whether the layer's input is kept, and numbers beside it.</returns>
    internal abstract (bool Input, long Numbers) Keeps(LoraTarget target, long input, long output, bool allWeights);

    /// <summary>What is wrong with its numbers for a model: the field, its value and what is allowed; null for nothing.</summary>
    internal abstract string? Problem(DecoderConfig config);

    /// <summary>Adds its own fields of <c>adapter_config.json</c>.</summary>
    internal abstract void Write(IDictionary<string, object?> fields);
}
