using System.Runtime.InteropServices;

namespace AiFabric.Engine.Interop;

/// <summary>Folders that appear whole or not at all, also across a loss of power.</summary>
public static partial class FolderStorage
{
    private const int ReadOnly = 0;

    /// <summary>Writes a folder beside its place, flushes it to disk and moves it there. A folder already there is replaced.</summary>
    /// <param name="folder">The folder to make.</param>
    /// <param name="write">Fills the folder it is given; must flush the files it writes.</param>
    /// <exception cref="IOException">The disk is full or the place cannot be written. What was there before stays.</exception>
    public static void Write(string folder, Action<string> write)
    {
        string parent = Path.GetDirectoryName(Path.GetFullPath(folder)) ?? throw new IOException($"{folder} is the root and cannot be replaced.");
        Directory.CreateDirectory(parent);
        string temporary = Path.Combine(parent, $"{TemporaryPrefix}{Path.GetFileName(folder)}-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(temporary);
            write(temporary);
            Flush(temporary);
            Replace(temporary, folder);
            Flush(parent);
        }
        finally
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>How the names of unfinished folders begin.</summary>
    public const string TemporaryPrefix = ".tmp-";

    private static void Replace(string temporary, string folder)
    {
        if (!Directory.Exists(folder))
        {
            Directory.Move(temporary, folder);
            return;
        }

        string old = temporary + "-old";
        Directory.Move(folder, old);
        Directory.Move(temporary, folder);
        Directory.Delete(old, recursive: true);
    }

    /// <summary>Flushes a folder's entries: without it a rename may be lost with the power. Only Linux has this call.</summary>
    private static void Flush(string folder)
    {
        if (!OperatingSystem.IsLinux())
            return;
        int descriptor = Open(folder, ReadOnly);
        if (descriptor < 0)
            throw Failure(folder);
        int result = Synchronize(descriptor);
        IOException? failure = result == 0 ? null : Failure(folder);
        _ = Close(descriptor);
        if (failure is not null)
            throw failure;
    }

    private static IOException Failure(string folder)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{folder}: {Marshal.GetPInvokeErrorMessage(error)}", error);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronize(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
