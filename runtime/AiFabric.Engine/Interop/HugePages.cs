using System.Runtime.InteropServices;

namespace AiFabric.Engine.Interop;

/// <summary>
/// Asks Linux for pages of 2 MiB under large memory. The processor prefetches within a page, and a page is looked up and first touched once: weights are read faster and
/// loaded sooner (measured on an AMD EPYC, Zen 3: plain reading 25 instead of 20 GB/s). Where the system's setting is <c>never</c> nothing changes.
/// </summary>
internal static unsafe partial class HugePages
{
    /// <summary>Bytes of a large page.</summary>
    public const int Size = 2 << 20;

    private const int Wanted = 14; // MADV_HUGEPAGE

    /// <summary>For memory that nobody has touched yet.</summary>
    /// <param name="memory">Its start, on a large page's edge.</param>
    /// <param name="bytes">Its length; what fills no whole page stays in small ones.</param>
    public static void Advise(void* memory, nuint bytes)
    {
        // Advice: a kernel that knows none answers with an error, and the memory is as good as before.
        if (OperatingSystem.IsLinux())
            _ = AdviseMemory(memory, bytes / Size * Size, Wanted);
    }

    /// <summary>Has libtorch ask for its large tensors too; must be called before it is loaded. Source: c10/core/impl/alloc_cpu.cpp.</summary>
    public static void AdviseTensors()
    {
        if (OperatingSystem.IsLinux())
            _ = SetVariable("THP_MEM_ALLOC_ENABLE", "1", overwrite: 0);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int AdviseMemory(void* address, nuint length, int advice);

    // .NET's own SetEnvironmentVariable does not reach native code.
    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
