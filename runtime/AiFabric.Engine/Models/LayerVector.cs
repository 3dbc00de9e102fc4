using AiFabric.Engine.Adapters;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Models;

/// <summary>The vectors of a decoder block beside its matrices. Which of them a model has, its config says.</summary>
public enum LayerVector
{
    /// <summary>[hidden], before attention.</summary>
    AttentionNorm,

    /// <summary>[hidden], before the MLP.</summary>
    MlpNorm,

    /// <summary>[headDim], on every head of the queries.</summary>
    QueryNorm,

    /// <summary>[headDim], on every head of the keys.</summary>
    KeyNorm,

    /// <summary>[hidden], on what attention gives.</summary>
    AttentionOutputNorm,

    /// <summary>[hidden], on what the MLP gives.</summary>
    MlpOutputNorm,

    // Biases, in the order of LoraTarget.
    QueryBias,
    KeyBias,
    ValueBias,
    OutputBias,
    GateBias,
    UpBias,
    DownBias,
}

/// <summary>A vector in a checkpoint.</summary>
/// <param name="Name">What it is called there.</param>
/// <param name="Size">Its length.</param>
/// <param name="Offset">What the files leave out: see <see cref="DecoderConfig.NormOffset"/>.</param>
internal readonly record struct StoredVector(string Name, int Size, double Offset);

/// <summary>Which vectors a model's blocks have, and what checkpoints call them.</summary>
internal static class LayerVectors
{
    public static IReadOnlyList<LayerVector> All { get; } = Enum.GetValues<LayerVector>();

    /// <summary>The bias of a matrix.</summary>
    public static LayerVector Bias(this LoraTarget target) => LayerVector.QueryBias + (int)target;

    /// <summary>Where a block's vector is stored; null when the model does not have it.</summary>
    public static StoredVector? Stored(DecoderConfig config, int layer, LayerVector vector) => IsIn(config, vector)
        ? new StoredVector($"model.layers.{layer}.{Name(config, vector)}", Size(config, vector), vector < LayerVector.QueryBias ? config.NormOffset : 0)
        : null;

    private static bool IsIn(DecoderConfig config, LayerVector vector) => vector switch
    {
        LayerVector.AttentionNorm or LayerVector.MlpNorm => true,
        LayerVector.QueryNorm or LayerVector.KeyNorm => config.QueryKeyNorms,
        LayerVector.AttentionOutputNorm or LayerVector.MlpOutputNorm => config.OutputNorms,
        LayerVector.QueryBias or LayerVector.KeyBias or LayerVector.ValueBias => config.QueryKeyValueBias,
        LayerVector.OutputBias => config.OutputBias,
        _ => config.MlpBias,
    };

    // The norm before the MLP got a new name where the one behind attention took its own.
    private static string Name(DecoderConfig config, LayerVector vector) => vector switch
    {
        LayerVector.AttentionNorm => "input_layernorm.weight",
        LayerVector.MlpNorm => config.OutputNorms ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight",
        LayerVector.QueryNorm => "self_attn.q_norm.weight",
        LayerVector.KeyNorm => "self_attn.k_norm.weight",
        LayerVector.AttentionOutputNorm => "post_attention_layernorm.weight",
        LayerVector.MlpOutputNorm => "post_feedforward_layernorm.weight",
        _ => $"{((LoraTarget)(vector - LayerVector.QueryBias)).ModulePath()}.bias",
    };

    private static int Size(DecoderConfig config, LayerVector vector) => vector switch
    {
        LayerVector.QueryNorm or LayerVector.KeyNorm => config.HeadSize,
        < LayerVector.QueryBias => config.HiddenSize,
        _ => PeftFolder.Shape(config, (LoraTarget)(vector - LayerVector.QueryBias)).Output,
    };
}
