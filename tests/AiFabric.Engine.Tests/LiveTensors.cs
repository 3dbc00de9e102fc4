using TorchSharp;

namespace AiFabric.Engine.Tests;

/// <summary>The count that a test takes before it starts, to find at its end that nothing was kept.</summary>
internal static class LiveTensors
{
    /// <summary>
    /// The live tensors of the process without the garbage of earlier tests: references written with operators leave
    /// tensors to the finalizer, and were it to run during the test, the count would end lower than it began. What is
    /// compared with it is <see cref="torch.Tensor.TotalCount"/> as it is, so that the product is forgiven no garbage.
    /// </summary>
    public static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return torch.Tensor.TotalCount;
    }
}
