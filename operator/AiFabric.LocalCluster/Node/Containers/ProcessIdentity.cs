using System.Globalization;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>A process that stays recognisable when its number is reused: number, kernel start time and boot.</summary>
/// <param name="Leader">The supervising shell: leader of the container's session and process group.</param>
/// <param name="StartTicks">Its start in clock ticks after boot, field 22 of /proc/PID/stat.</param>
/// <param name="BootId">The boot it belongs to.</param>
/// <param name="Main">The container's own process; 0 until it is known.</param>
internal sealed record ProcessIdentity(int Leader, long StartTicks, string BootId, int Main)
{
    private static readonly string CurrentBoot = File.Exists("/proc/sys/kernel/random/boot_id") ? File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim() : "";

    /// <summary>The container id in a pod's status: names the command's process, so it is empty until that is known.</summary>
    public string? ContainerId => Main == 0 ? null : $"process://{Main}";

    /// <summary>The identity of the process that has this number now; null when there is none.</summary>
    public static ProcessIdentity? Of(int process) =>
        Stat(process) is { } stat ? new ProcessIdentity(process, stat.StartTicks, CurrentBoot, 0) : null;

    /// <summary>Whether the leader still runs.</summary>
    public bool IsAlive() => BootId == CurrentBoot && Stat(Leader) is { Dead: false } stat && stat.StartTicks == StartTicks;

    /// <summary>Whether the group's number may be signalled: it is ours unless a later process took the number over.</summary>
    public bool OwnsGroup() => BootId == CurrentBoot && (Stat(Leader) is not { } stat || stat.StartTicks == StartTicks);

    private static (bool Dead, long StartTicks)? Stat(int process)
    {
        try
        {
            string text = File.ReadAllText($"/proc/{process}/stat");

            // The second field, the name, may hold blanks and parentheses; fields count on after its last ')'.
            string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return (fields[0] is "Z" or "X", long.Parse(fields[19], CultureInfo.InvariantCulture));
        }
        catch (IOException)
        {
            return null; // no such process
        }
    }
}
