using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using AiFabric.Engine.Kernels;
using static TorchSharp.torch;

namespace AiFabric.Engine.Interop;

/// <summary>The memory of contiguous CPU tensors, for kernels. A pointer is valid as long as the tensor's storage lives.</summary>
internal static unsafe class TensorMemory
{
    /// <summary>Of a Float32 tensor.</summary>
    public static float* Floats(Tensor tensor) => tensor.dtype == ScalarType.Float32
        ? (float*)Start(tensor)
        : throw new ArgumentException($"The tensor is {tensor.dtype}, not Float32.", nameof(tensor));

    /// <summary>Of a Float32 or BFloat16 tensor [rows, columns].</summary>
    public static KernelMatrix Matrix(Tensor tensor)
    {
        var format = tensor.dtype switch
        {
            ScalarType.Float32 => WeightFormat.Float32,
            ScalarType.BFloat16 => WeightFormat.BFloat16,
            var type => throw new ArgumentException($"Kernels read no matrix of {type}.", nameof(tensor)),
        };
        return new KernelMatrix(format, Start(tensor), checked((int)tensor.size(0)), checked((int)tensor.size(1)));
    }

    /// <summary>Somebody else's memory as a tensor of the CPU, owned by the caller's scope. The memory must live longer.</summary>
    /// <param name="memory">Its numbers.</param>
    /// <param name="type">Their type.</param>
    /// <param name="shape">Row-major extents.</param>
    public static Tensor View(void* memory, ScalarType type, ReadOnlySpan<long> shape)
    {
        var create = (delegate* unmanaged<void*, delegate* unmanaged<void*, void>, long*, int, sbyte, sbyte, int, int, byte, nint>)TorchRuntime.BindingExport("THSTensor_new");
        nint handle;
        fixed (long* extents = shape)
            handle = create(memory, &KeepMemory, extents, shape.Length, (sbyte)type, (sbyte)type, 0, -1, 0);
        if (handle == 0)
            CheckForErrors();
        return Tensor.UnsafeCreateTensor(handle);
    }

    // libtorch calls it when the last view goes.
    [UnmanagedCallersOnly]
    private static void KeepMemory(void* memory)
    {
    }

    private static void* Start(Tensor tensor)
    {
        if (!tensor.is_contiguous() || tensor.device_type != TorchSharp.DeviceType.CPU)
            throw new ArgumentException("The tensor is not contiguous memory of the CPU.", nameof(tensor));
        // One row, because a span of bytes ends at 2 GiB.
        using var row = tensor.dim() > 1 ? tensor.narrow(0, 0, 1) : tensor.alias();
        return Unsafe.AsPointer(ref MemoryMarshal.GetReference(row.bytes));
    }
}
