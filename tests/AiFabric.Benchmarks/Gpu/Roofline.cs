using System.Diagnostics;
using static TorchSharp.torch;

namespace AiFabric.Benchmarks.Gpu;

/// <summary>What a device gives at most, as measured: the bounds of decoding and of prefill.</summary>
/// <param name="ReadBytesPerSecond">Reading memory much larger than any cache.</param>
/// <param name="OperationsPerSecond">Products of large matrices in bfloat16, multiplications and additions.</param>
internal sealed record Roofline(double ReadBytesPerSecond, double OperationsPerSecond)
{
    private const int Rounds = 10;

    /// <param name="device">The device.</param>
    /// <param name="bytes">Memory to read.</param>
    /// <param name="side">Rows and columns of the matrices.</param>
    public static Roofline Measure(Device device, long bytes, int side)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        // The sum of a Float32 vector reads it once and writes nothing.
        var memory = ones(bytes / sizeof(float), ScalarType.Float32, device);
        var a = randn(side, side, device: device).to(ScalarType.BFloat16);
        var b = randn(side, side, device: device).to(ScalarType.BFloat16);
        double read = Fastest(device, () => memory.sum().Dispose()), multiply = Fastest(device, () => a.matmul(b).Dispose());
        return new Roofline(bytes / read, 2.0 * side * side * side / multiply);
    }

    // The fastest: a bound is what nothing beats.
    private static double Fastest(Device device, Action work)
    {
        double best = double.PositiveInfinity;
        for (int round = 0; round < Rounds; round++)
        {
            Wait(device);
            long start = Stopwatch.GetTimestamp();
            work();
            Wait(device);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    private static void Wait(Device device)
    {
        if (device.type == TorchSharp.DeviceType.CUDA)
            cuda.synchronize();
    }
}
