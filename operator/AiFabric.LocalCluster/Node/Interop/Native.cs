using System.Runtime.InteropServices;

namespace AiFabric.LocalCluster.Node.Interop;

/// <summary>The two system calls that .NET does not offer: signals to a process group, and freeing the start of a file.</summary>
internal static partial class Native
{
    public const int SignalTerminate = 15;
    public const int SignalKill = 9;

    private const int KeepSize = 1;
    private const int PunchHole = 2;

    /// <summary>Sends <paramref name="signal"/> to every process of the group. An empty group is no error.</summary>
    public static void SignalGroup(int group, int signal)
    {
        // kill(-1) would reach every process of the machine, kill(0) this one's group.
        ArgumentOutOfRangeException.ThrowIfLessThan(group, 2);
        _ = Kill(-group, signal);
    }

    /// <summary>Gives the first <paramref name="length"/> bytes of the file back to the file system; they read as zeros and offsets stay.</summary>
    /// <returns>False where the file system cannot do it.</returns>
    public static bool FreeStart(SafeHandle file, long length) => Allocate(file, PunchHole | KeepSize, 0, length) == 0;

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "fallocate64", SetLastError = true)]
    private static partial int Allocate(SafeHandle file, int mode, long offset, long length);
}
