using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace AiFabric.Engine.Interop;

/// <summary>A file in memory, read only: pages come when they are touched and go when they are released.</summary>
internal sealed unsafe partial class MappedFile : IDisposable
{
    private const int DontNeed = 4; // MADV_DONTNEED

    private static readonly nuint PageMask = (nuint)Environment.SystemPageSize - 1;

    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private byte* start;

    /// <param name="stream">Open for reading; not needed any more afterwards.</param>
    /// <exception cref="IOException">The file cannot be mapped, or is empty.</exception>
    public MappedFile(FileStream stream)
    {
        Length = stream.Length;
        if (Length == 0)
            throw new IOException("the file is empty");
        map = MemoryMappedFile.CreateFromFile(stream, mapName: null, capacity: 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        view = map.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
    }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>Bytes of the file, valid until this is disposed.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range leaves the file.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public ReadOnlySpan<byte> Bytes(long offset, int count)
    {
        RequireInside(offset, count);
        return new ReadOnlySpan<byte>(start + view.PointerOffset + offset, count);
    }

    /// <summary>Takes the pages of a range out of this process's memory; touched again they come back. The kernel may keep them cached.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range leaves the file.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public void Release(long offset, long count)
    {
        RequireInside(offset, count);
        byte* first = start + view.PointerOffset + offset;
        // Also the pages at both ends, whose other tensors fetch them again if they need them.
        nuint from = (nuint)first & ~PageMask, to = ((nuint)first + (nuint)count + PageMask) & ~PageMask;
        _ = Advise(from, to - from, DontNeed); // Advice: a kernel that does not take it is right too.
    }

    public void Dispose()
    {
        if (start == null)
            return;
        start = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        map.Dispose();
    }

    private void RequireInside(long offset, long count)
    {
        ObjectDisposedException.ThrowIf(start == null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - offset);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nuint address, nuint length, int advice);
}
