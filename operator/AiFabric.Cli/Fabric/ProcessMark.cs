using System.Globalization;

namespace AiFabric.Cli.Fabric;

/// <summary>A process that stays recognisable when its number is reused. As text: <c>NUMBER START</c>.</summary>
/// <param name="Id">Its number.</param>
/// <param name="StartTicks">Its start in clock ticks since boot (proc(5), field 22 of /proc/PID/stat).</param>
public sealed record ProcessMark(int Id, long StartTicks)
{
    /// <summary>This process.</summary>
    public static ProcessMark Current => Of(Environment.ProcessId)!; // it runs

    /// <summary>The process that has this number now; null when there is none.</summary>
    public static ProcessMark? Of(int id) => StartOf(id) is { } ticks ? new ProcessMark(id, ticks) : null;

    /// <summary>Reads what <see cref="ToString"/> writes; null for anything else.</summary>
    public static ProcessMark? Parse(string text) =>
        text.Trim().Split(' ') is [var number, var start] && int.TryParse(number, CultureInfo.InvariantCulture, out int id)
            && long.TryParse(start, CultureInfo.InvariantCulture, out long ticks)
            ? new ProcessMark(id, ticks)
            : null;

    /// <summary>Whether this very process still runs.</summary>
    public bool IsRunning() => StartOf(Id) == StartTicks;

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Id} {StartTicks}");

    /// <summary>When the process with this number started; null when it has ended, even if nobody has waited for it yet.</summary>
    private static long? StartOf(int id)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/stat"));

            // The second field, the name, may hold blanks and parentheses; fields count on after its last ')'.
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return null; // no such process
        }
    }
}
