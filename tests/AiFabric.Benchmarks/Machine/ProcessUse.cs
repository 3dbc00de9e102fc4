using System.Globalization;

namespace AiFabric.Benchmarks.Machine;

/// <summary>What processes used so far, as Linux counts it.</summary>
internal static class ProcessUse
{
    private const double TicksPerSecond = 100; // USER_HZ, the same on every Linux that .NET runs on.

    /// <summary>CPU seconds, user and system, of a process with all its threads; 0 when it is gone.</summary>
    public static double CpuSeconds(int pid)
    {
        if (Read($"/proc/{pid}/stat") is not { } text)
            return 0;
        // The name in parentheses may hold spaces; utime and stime are the 14th and 15th field.
        string[] fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return (Number(fields[11]) + Number(fields[12])) / TicksPerSecond;
    }

    /// <summary>Highest resident size so far, bytes; 0 when it is gone.</summary>
    public static long PeakBytes(int pid) => StatusBytes(pid, "VmHWM:");

    /// <summary>Resident size now, bytes; 0 when it is gone.</summary>
    public static long ResidentBytes(int pid) => StatusBytes(pid, "VmRSS:");

    private static long StatusBytes(int pid, string field)
    {
        string? line = Read($"/proc/{pid}/status")?.Split('\n').FirstOrDefault(candidate => candidate.StartsWith(field, StringComparison.Ordinal));
        return line is null ? 0 : (long)Number(line[field.Length..].Trim().Split(' ')[0]) * 1024;
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static string? Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return null; // Ended.
        }
    }
}
