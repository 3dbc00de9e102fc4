using System.Globalization;

namespace AiFabric.Benchmarks.Machine;

/// <summary>What a benchmark ran on.</summary>
/// <param name="Processor">Model name of the CPU.</param>
/// <param name="Cores">Cores that this process may use.</param>
/// <param name="MemoryBytes">Memory of the machine.</param>
/// <param name="LoadBefore">Load average of the last minute before the start: above 0.5, others were at work.</param>
internal sealed record MachineInfo(string Processor, int Cores, long MemoryBytes, double LoadBefore)
{
    public static MachineInfo Read() => new(
        File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown",
        Environment.ProcessorCount,
        GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture));
}
