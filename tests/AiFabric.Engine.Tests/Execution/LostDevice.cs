using AiFabric.Engine.Execution;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>A pass on a device that failed for good: it refuses whatever it is asked.</summary>
internal sealed class LostDevice : IForwardPass
{
    private static InvalidOperationException Refusal => new("CUDA error: an illegal memory access was encountered");

    public Span<float> Run(Batch batch, TrainingWindow? window) => throw Refusal;

    public void Settle() => throw Refusal;

    public Tensor WindowOutput(TrainingWindow window) => throw Refusal;

    public void Dispose()
    {
    }
}
