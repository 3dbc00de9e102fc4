using System.Runtime.InteropServices;
using AiFabric.Engine.Interop;
using static TorchSharp.torch;

namespace AiFabric.Engine.Cuda;

/// <summary>Addresses of tensors on a device, by libtorch's stable C interface.</summary>
internal static unsafe class DeviceMemory
{
    private static readonly delegate* unmanaged<nint, void**, int> DataPointer = Find();

    /// <summary>Where a contiguous tensor's numbers begin; null for no tensor.</summary>
    /// <exception cref="ArgumentException">The tensor is not contiguous.</exception>
    public static void* Of(Tensor? tensor)
    {
        if (tensor is null)
            return null;
        if (!tensor.is_contiguous())
            throw new ArgumentException("A kernel needs contiguous memory.", nameof(tensor));
        void* address;
        return DataPointer(tensor.Handle, &address) == 0 ? address : throw new InvalidOperationException("libtorch gives no address of a tensor.");
    }

    private static delegate* unmanaged<nint, void**, int> Find()
    {
        // Loaded already: whoever has a tensor has libtorch.
        nint library = NativeLibrary.Load(TorchRuntime.EnsureLoaded());
        return (delegate* unmanaged<nint, void**, int>)NativeLibrary.GetExport(library, "aoti_torch_get_data_ptr");
    }
}
