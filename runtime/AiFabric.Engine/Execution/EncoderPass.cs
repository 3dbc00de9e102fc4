using System.Runtime.InteropServices;
using AiFabric.Engine.Cuda;
using AiFabric.Engine.Models.Encoders;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>The pass of an encoder: whole texts, no cache, no logits.</summary>
/// <param name="weights">The model; not owned.</param>
/// <param name="device">Where it computes.</param>
internal sealed class EncoderPass(EncoderWeights weights, Device device) : IForwardPass
{
    private readonly List<long> tokens = [];
    private readonly List<long> positions = [];
    private readonly List<int> lengths = [];

    public Span<float> Run(Batch batch, TrainingWindow? window)
    {
        Fill(batch);
        using var scope = NewDisposeScope();
        var vectors = weights.Encode(
            HostTensors.Upload(CollectionsMarshal.AsSpan(tokens), device), HostTensors.Upload(CollectionsMarshal.AsSpan(positions), device), lengths);
        var numbers = HostTensors.Floats(vectors);
        for (int i = 0; i < batch.PromptChunks.Count; i++)
            batch.PromptChunks[i].Sequence.States?.Put(numbers.Slice(i * weights.EmbeddingSize, weights.EmbeddingSize), 1);
        return default;
    }

    public void Settle()
    {
        if (device.type == TorchSharp.DeviceType.CUDA)
            TorchCuda.Synchronize();
    }

    public Tensor WindowOutput(TrainingWindow window) => throw new InvalidOperationException("Encoders are not trained.");

    public void Dispose()
    {
    }

    private void Fill(Batch batch)
    {
        tokens.Clear();
        positions.Clear();
        lengths.Clear();
        foreach (var text in batch.PromptChunks)
        {
            if (text.Count != text.Sequence.PromptCount)
                throw new InvalidOperationException($"A text of {text.Sequence.PromptCount} tokens was cut to {text.Count}."); // WholePrompts forbids it.
            lengths.Add(text.Count);
            for (int position = 0; position < text.Count; position++)
            {
                tokens.Add(text.Sequence.Tokens[position]);
                positions.Add(position);
            }
        }
    }
}
