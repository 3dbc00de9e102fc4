namespace AiFabric.Worker.Storage.Cache;

/// <summary>
/// Locks on files that hold between processes and pods of a node and end with the process that held them. .NET's <see cref="FileShare"/> is
/// flock(2) on Unix, which NFS knows as well.
/// </summary>
internal static class FileLock
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(100);

    /// <returns>The lock, to be disposed; null when somebody else holds it in any way.</returns>
    public static FileStream? TryExclusive(string path) => Try(path, FileAccess.ReadWrite, FileShare.None);

    /// <returns>The lock, to be disposed; null when somebody else holds it exclusively.</returns>
    public static FileStream? TryShared(string path)
    {
        if (!File.Exists(path))
            using (Try(path, FileAccess.ReadWrite, FileShare.ReadWrite)) { }
        return Try(path, FileAccess.Read, FileShare.Read);
    }

    /// <summary>Waits for <paramref name="attempt"/> to give a lock.</summary>
    public static async Task<FileStream> WaitAsync(Func<FileStream?> attempt, TimeProvider time, CancellationToken cancellationToken)
    {
        FileStream? taken;
        while ((taken = attempt()) is null)
            await Task.Delay(Patience, time, cancellationToken);
        return taken;
    }

    private static FileStream? Try(string path, FileAccess access, FileShare share)
    {
        try
        {
            return new FileStream(path, access == FileAccess.Read ? FileMode.Open : FileMode.OpenOrCreate, access, share, bufferSize: 0);
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException) && File.Exists(path))
        {
            return null;
        }
    }
}
