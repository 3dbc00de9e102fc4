using System.Runtime.InteropServices;

namespace AiFabric.Cli.Interop;

/// <summary>POSIX signals, which <see cref="System.Diagnostics.Process"/> cannot send.</summary>
internal static partial class Signals
{
    private const int Sigterm = 15;

    /// <summary>Asks process <paramref name="pid"/> to end. One that is gone already is no error.</summary>
    public static void Terminate(int pid) => _ = Kill(pid, Sigterm);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);
}
