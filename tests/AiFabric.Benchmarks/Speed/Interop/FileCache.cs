using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace AiFabric.Benchmarks.Speed.Interop;

/// <summary>Takes files out of the system's file cache, which needs no rights beyond reading them.</summary>
internal static partial class FileCache
{
    private const int DontNeed = 4; // POSIX_FADV_DONTNEED

    /// <summary>Evicts the files, and those of folders with all below them. What another process maps stays.</summary>
    /// <exception cref="BenchException">The system refused.</exception>
    public static void Evict(IEnumerable<string> paths)
    {
        foreach (string path in paths)
        {
            if (Directory.Exists(path))
                Evict(Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories));
            else
                EvictFile(path);
        }
    }

    private static void EvictFile(string path)
    {
        using var file = File.OpenHandle(path);
        // Pages that were not written to disk yet would stay.
        int error = Synchronize(file) == 0 ? Advise(file, 0, 0, DontNeed) : Marshal.GetLastPInvokeError();
        if (error != 0)
            throw new BenchException($"{path} cannot be taken out of the file cache: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronize(SafeFileHandle file);
}
