using AiFabric.Engine.Adapters;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Kernels;
using AiFabric.Engine.Models;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>8-bit weights as the Float32 weights that they stand for.</summary>
internal static class RestoredWeights
{
    public static DecoderWeights Load(string folder, HostWeights quantized)
    {
        var dense = DecoderWeights.Load(folder, ScalarType.Float32, CPU);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        for (int layer = 0; layer < dense.Config.Layers; layer++)
        {
            var restored = quantized.TrainingLayer(layer);
            foreach (var target in LoraTargets.All)
            {
                // Half a step of the largest weight of a block at most.
                Assert.InRange((dense.Layers[layer][target] - restored[target]).abs().max().item<float>(), 1e-6, 0.02);
                dense.Layers[layer][target].copy_(restored[target]);
            }
        }
        dense.Head.copy_(quantized.TrainingHead());
        CopyEmbedding(quantized, dense);
        return dense;
    }

    private static unsafe void CopyEmbedding(HostWeights from, DecoderWeights to)
    {
        using var row = empty(from.Config.HiddenSize, ScalarType.Float32);
        for (int token = 0; token < from.Config.VocabularySize; token++)
        {
            KernelSet.Best.Restore(from.Kernels.Embedding, token, TensorMemory.Floats(row));
            to.Embedding[token].copy_(row);
        }
    }
}
