using System.Runtime.InteropServices;

namespace AiFabric.Engine.Kernels;

/// <summary>Unmanaged memory that starts at a cache line. Not initialized.</summary>
internal sealed unsafe class NativeBuffer : IDisposable
{
    private const int Alignment = 64;

    private nuint capacity;

    public NativeBuffer()
    {
    }

    public NativeBuffer(long bytes) => Reserve(bytes);

    ~NativeBuffer() => Free();

    public void* Data { get; private set; }

    /// <summary>Makes it at least as large; what was in it is lost when it grows.</summary>
    public void Reserve(long bytes)
    {
        if ((nuint)bytes <= capacity)
            return;
        Free();
        Data = NativeMemory.AlignedAlloc((nuint)bytes, Alignment);
        capacity = (nuint)bytes;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(Data);
        Data = null;
        capacity = 0;
    }
}
