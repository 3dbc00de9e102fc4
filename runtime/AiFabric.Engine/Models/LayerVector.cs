using AiFabric.Engine.Adapters;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

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

/// <summary>Which vectors a model's blocks have, and what checkpoints call them.</summary>
internal static class LayerVectors
{
    public static IReadOnlyList<LayerVector> All { get; } = Enum.GetValues<LayerVector>();

    /// <summary>The bias of a matrix.</summary>
    public static LayerVector Bias(this LoraTarget target) => LayerVector.QueryBias + (int)target;

    /// <summary>Reads a block's vectors.</summary>
    /// <returns>By <see cref="LayerVector"/>; null for those that the model does not have.</returns>
    /// <exception cref="CheckpointException">One that the config asks for is missing, or of another size.</exception>
    public static Tensor?[] Read(CheckpointReader reader, DecoderConfig config, int layer) => [.. All.Select(vector =>
    {
        if (!IsIn(config, vector))
            return null;
        string name = $"model.layers.{layer}.{Name(config, vector)}";
        return vector < LayerVector.QueryBias ? reader.TakeNorm(name, Size(config, vector), config.NormOffset) : reader.Take(name, Size(config, vector));
    })];

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
