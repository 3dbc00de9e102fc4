using System.Runtime.InteropServices;
using AiFabric.Engine.Interop;
using static TorchSharp.torch;

namespace AiFabric.Engine.Cuda;

/// <summary>What TorchSharp does not offer of libtorch on CUDA, by libtorch's stable C interface.</summary>
internal static unsafe class TorchCuda
{
    private static readonly nint Library = NativeLibrary.Load(Path.Combine(Path.GetDirectoryName(TorchRuntime.EnsureLoaded()) ?? "/", "libtorch_cuda.so"));

    private static readonly delegate* unmanaged<nint, nint, nint, int> Mm =
        (delegate* unmanaged<nint, nint, nint, int>)NativeLibrary.GetExport(Library, "aoti_torch_cuda_mm_out");

    /// <summary>Waits until the device has done all that it was given.</summary>
    /// <exception cref="ExternalException">It failed at something.</exception>
    public static void Synchronize()
    {
        cuda.synchronize();
        CheckForErrors(); // TorchSharp's own function keeps a failure to itself.
    }

    /// <summary>a·b into a tensor that is there, so that nothing is allocated.</summary>
    /// <param name="a">[n, k].</param>
    /// <param name="b">[k, m]; may be a transposed view.</param>
    /// <param name="into">[n, m], contiguous.</param>
    /// <exception cref="InvalidOperationException">libtorch refused.</exception>
    public static void Multiply(Tensor a, Tensor b, Tensor into)
    {
        if (Mm(into.Handle, a.Handle, b.Handle) != 0)
            throw new InvalidOperationException("libtorch could not multiply two matrices.");
    }

    /// <summary>Makes a stream the one of libtorch's operations on this thread, until disposal.</summary>
    public static IDisposable Use(nint stream)
    {
        var create = (delegate* unmanaged<nint, int, nint*, int>)NativeLibrary.GetExport(Library, "aoti_torch_create_cuda_stream_guard");
        nint guard;
        return create(stream, 0, &guard) == 0 ? new StreamGuard(guard) : throw new InvalidOperationException("libtorch does not take the stream.");
    }

    private sealed class StreamGuard(nint guard) : IDisposable
    {
        public void Dispose() => ((delegate* unmanaged<nint, int>)NativeLibrary.GetExport(Library, "aoti_torch_delete_cuda_stream_guard"))(guard);
    }
}
