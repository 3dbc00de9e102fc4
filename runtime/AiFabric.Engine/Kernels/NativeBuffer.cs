using System.Runtime.InteropServices;
using AiFabric.Engine.Interop;

namespace AiFabric.Engine.Kernels;

/// <summary>Unmanaged memory that starts at a cache line, in large pages where it fills some. Not initialized.</summary>
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
        bool large = bytes >= HugePages.Size;
        Data = NativeMemory.AlignedAlloc((nuint)bytes, (nuint)(large ? HugePages.Size : Alignment));
        if (large)
            HugePages.Advise(Data, (nuint)bytes);
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
