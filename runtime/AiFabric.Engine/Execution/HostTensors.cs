using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>Moves small arrays between managed memory and tensors.</summary>
internal static class HostTensors
{
    /// <summary>A copy on the device, owned by the caller's scope: [n] Int64.</summary>
    public static Tensor Upload(ReadOnlySpan<long> values, Device device)
    {
        using var scope = NewDisposeScope();
        var host = empty(values.Length, dtype: ScalarType.Int64);
        values.CopyTo(MemoryMarshal.Cast<byte, long>(host.bytes));
        return host.to(device).MoveToOuterDisposeScope();
    }

    /// <summary>A copy on the device, owned by the caller's scope: [n] Float32.</summary>
    public static Tensor Upload(ReadOnlySpan<float> values, Device device)
    {
        using var scope = NewDisposeScope();
        var host = empty(values.Length, dtype: ScalarType.Float32);
        values.CopyTo(MemoryMarshal.Cast<byte, float>(host.bytes));
        return host.to(device).MoveToOuterDisposeScope();
    }

    /// <summary>The numbers of a contiguous CPU tensor of Float64, valid while the tensor lives.</summary>
    public static Span<double> Doubles(Tensor tensor) => MemoryMarshal.Cast<byte, double>(tensor.bytes);

    /// <summary>The numbers of a contiguous CPU tensor of Float32, valid while the tensor lives.</summary>
    public static Span<float> Floats(Tensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.bytes);
}
