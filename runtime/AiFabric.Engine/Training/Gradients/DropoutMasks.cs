using AiFabric.Engine.Adapters;
using AiFabric.Engine.Execution;
using AiFabric.Engine.Training.Planning;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training.Gradients;

/// <summary>
/// Which inputs of an adapter one sample's pass through one step drops. A function of seed, step, sample, position, layer and target
/// alone, so that forward and backward, other windows and a resumed job see the same.
/// </summary>
/// <param name="config">Gives widths.</param>
/// <param name="rate">Part that is dropped, above 0 and less than 1.</param>
/// <param name="seed">The job's.</param>
/// <param name="step">Optimizer steps done.</param>
/// <param name="sample">The sample's index.</param>
internal sealed class DropoutMasks(DecoderConfig config, double rate, long seed, int step, int sample)
{
    private const int Bits = 16; // Four draws from a random number: rates are met to 1 in 65,536.

    /// <summary>[count, in] in a type on a device: 0, or 1 / (1 − rate); owned by the caller's scope.</summary>
    public Tensor Mask(int layer, LoraTarget target, int start, int count, ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        int width = PeftFolder.Shape(config, target).Input;
        uint dropped = (uint)Math.Round(rate * (1 << Bits));
        float kept = (float)(1 / (1 - rate));
        var mask = empty(count, width, ScalarType.Float32);
        for (int row = 0; row < count; row++)
            Fill(HostTensors.Floats(mask).Slice(row * width, width), layer, target, start + row, dropped, kept);
        return mask.to(type).to(device).MoveToOuterDisposeScope();
    }

    private void Fill(Span<float> row, int layer, LoraTarget target, int position, uint dropped, float kept)
    {
        var random = new SeededRandom(seed ^ (long)SeededRandom.Mix(((ulong)step << 32) | (uint)sample), ((long)position << 32) | (uint)((layer * LoraTargets.All.Count) + (int)target));
        ulong bits = 0;
        for (int i = 0; i < row.Length; i++, bits >>= Bits)
        {
            if (i % (64 / Bits) == 0)
                bits = random.Next();
            row[i] = (bits & ((1 << Bits) - 1)) < dropped ? 0 : kept;
        }
    }
}
