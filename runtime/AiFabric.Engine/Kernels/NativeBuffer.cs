using System.Runtime.InteropServices;
using AiFabric.Engine.Interop;

namespace AiFabric.Engine.Kernels;

/// <summary>Unmanaged memory that starts at a cache line, in large pages where it fills some. Not initialized.</summary>
/// <param name="smallPages">For memory that fills here and there: a large page is taken from the system as a whole when it is first touched.</param>
internal sealed unsafe class NativeBuffer(bool smallPages = false) : IDisposable
{
    private const int Alignment = 64;

    private nuint capacity;

    public NativeBuffer(long bytes, bool smallPages = false)
        : this(smallPages) => Reserve(bytes);

    ~NativeBuffer() => Free();

    public void* Data { get; private set; }

    /// <summary>Makes it at least as large; what was in it is lost when it grows.</summary>
    public void Reserve(long bytes)
    {
        if ((nuint)bytes <= capacity)
            return;
        Free();
        bool large = bytes >= HugePages.Size && !smallPages;
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
