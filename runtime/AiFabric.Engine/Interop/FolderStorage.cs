using System.Runtime.InteropServices;

namespace AiFabric.Engine.Interop;

/// <summary>Folders that appear whole or not at all, also across a loss of power.</summary>
public static partial class FolderStorage
{
    private const int ReadOnly = 0;
    private const int WorkingDirectory = -100; // AT_FDCWD
    private const uint Exchange = 2;           // RENAME_EXCHANGE

    /// <summary>
    /// Writes a folder beside its place, flushes it to disk and moves it there. A folder already there is replaced; what an earlier,
    /// killed write of the same folder left is removed.
    /// </summary>
    /// <param name="folder">The folder to make; no two writers at once.</param>
    /// <param name="write">Fills the folder it is given; must flush the files it writes.</param>
    /// <exception cref="IOException">The disk is full or the place cannot be written. What was there before stays.</exception>
    public static void Write(string folder, Action<string> write)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        string parent = Path.GetDirectoryName(folder) ?? throw new IOException($"{folder} is the root and cannot be replaced.");
        Directory.CreateDirectory(parent);
        string prefix = $"{TemporaryPrefix}{Path.GetFileName(folder)}-";
        foreach (string unfinished in Directory.GetDirectories(parent, prefix + "*"))
            Directory.Delete(unfinished, recursive: true);
        string temporary = Path.Combine(parent, $"{prefix}{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(temporary);
            write(temporary);
            Publish(temporary, folder);
        }
        finally
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>Flushes a finished folder's entries to disk and moves it to its place, in one step. A folder already there is replaced, and then removed.</summary>
    /// <param name="finished">Its files are flushed.</param>
    /// <param name="folder">The place, on the same file system.</param>
    /// <exception cref="IOException">The place cannot be written. What was there before stays.</exception>
    public static void Publish(string finished, string folder)
    {
        Flush(finished);
        Replace(finished, folder);
        Flush(Path.GetDirectoryName(folder) ?? folder);
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

        // In one step, so that a kill leaves either the old folder or the new one; the old one is then the temporary.
        if (OperatingSystem.IsLinux() && Rename(WorkingDirectory, temporary, WorkingDirectory, folder, Exchange) == 0)
            return;
        Directory.Delete(folder, recursive: true); // A file system that cannot exchange.
        Directory.Move(temporary, folder);
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

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int Synchronize(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
