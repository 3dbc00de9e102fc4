using AiFabric.Engine.Adapters;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Gradients;
using AiFabric.Engine.Training.Planning;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training;

/// <summary>A window over the training session's own memory.</summary>
internal sealed class SequenceWindow(TrainingSample sample, WindowSpan span, PeftAdapter? adapter, SequenceMemory memory, bool keepInputs, DropoutMasks? dropout = null)
    : TrainingWindow
{
    public override int Start => span.Start;

    public override int Count => span.Count;

    public override IReadOnlyList<long> Tokens { get; } = new ArraySegment<long>(sample.Inputs, span.Start, span.Count);

    public override PeftAdapter? Adapter => adapter;

    public override Tensor? InputMask(int layer, LoraTarget target, ScalarType type, Device device) =>
        dropout?.Mask(layer, target, span.Start, span.Count, type, device);

    public override void SaveLayerInput(int layer, Tensor x)
    {
        if (keepInputs) // Held-out sequences have no backward.
            memory.SaveInput(layer, span.Start, x);
    }

    public override (Tensor Keys, Tensor Values) Append(int layer, Tensor k, Tensor v)
    {
        memory.SaveKeysAndValues(layer, span.Start, k, v);
        return memory.KeysAndValues(layer, span.Start + span.Count);
    }
}
