using System.Runtime.InteropServices;

namespace AiFabric.Engine.Tests.Training;

/// <summary>Bytes that native code, libtorch's tensors among it, has in use in this process. Managed memory does not count: .NET maps its own.</summary>
internal static partial class NativeHeap
{
    /// <summary>Of all arenas, and of blocks so large that they are mapped.</summary>
    public static long BytesInUse
    {
        get
        {
            Figures figures = Read();
            return (long)(figures.InUse + figures.Mapped);
        }
    }

    [LibraryImport("libc.so.6", EntryPoint = "mallinfo2")]
    private static partial Figures Read();

    // struct mallinfo2, glibc 2.33.
    [StructLayout(LayoutKind.Sequential)]
    private struct Figures
    {
        public nuint Arena;
        public nuint FreeChunks;
        public nuint FastChunks;
        public nuint MappedBlocks;
        public nuint Mapped;
        public nuint MostAllocated;
        public nuint FreeFast;
        public nuint InUse;
        public nuint Free;
        public nuint Releasable;
    }
}
