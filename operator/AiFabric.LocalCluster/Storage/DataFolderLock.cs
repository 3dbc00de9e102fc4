using System.Globalization;
using AiFabric.LocalCluster.Node.Containers;

namespace AiFabric.LocalCluster.Storage;

/// <summary>
/// Keeps a second cluster out of a data folder. SQLite would let both in; their revisions would collide, and two nodes would run the same
/// pods. The lock on the file <c>lock</c> goes with its process, however that ends; <c>cluster.pid</c> beside it says which process took it
/// last: its number and its kernel start time.
/// </summary>
internal sealed class DataFolderLock : IDisposable
{
    private readonly FileStream _file;

    private DataFolderLock(FileStream file) => _file = file;

    /// <summary>Takes the lock; makes the folder when it is missing.</summary>
    /// <exception cref="DataFolderInUseException">Another process has it.</exception>
    public static DataFolderLock Take(string folder)
    {
        Directory.CreateDirectory(folder);

        // A locked file cannot be read by others, so the holder's number is in a file of its own.
        string holder = Path.Combine(folder, "cluster.pid");
        FileStream file = Open(folder, holder);
        ProcessIdentity self = ProcessIdentity.Of(Environment.ProcessId)!; // this process runs
        File.WriteAllText(holder, string.Create(CultureInfo.InvariantCulture, $"{self.Leader} {self.StartTicks}"));
        return new DataFolderLock(file);
    }

    public void Dispose() => _file.Dispose();

    private static FileStream Open(string folder, string holder)
    {
        try
        {
            return new FileStream(Path.Combine(folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(holder))
        {
            string process = File.ReadAllText(holder).Split(' ')[0];
            throw new DataFolderInUseException($"--data-dir {folder} is in use by the local cluster that is process {process}; stop it or name another folder");
        }
    }
}

/// <summary>Another cluster runs on the data folder; the message names it.</summary>
internal sealed class DataFolderInUseException(string message) : Exception(message);
