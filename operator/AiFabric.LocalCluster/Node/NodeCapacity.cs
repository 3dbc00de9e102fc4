using System.Globalization;

namespace AiFabric.LocalCluster.Node;

/// <summary>What this machine has.</summary>
/// <param name="Cpus">Logical processors.</param>
/// <param name="MemoryBytes">Main memory.</param>
internal sealed record NodeCapacity(int Cpus, long MemoryBytes)
{
    public static NodeCapacity OfThisMachine()
    {
        string? total = File.ReadLines("/proc/meminfo").FirstOrDefault(l => l.StartsWith("MemTotal:", StringComparison.Ordinal));
        long kibibytes = total is null ? 0 : long.Parse(total.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        return new NodeCapacity(Environment.ProcessorCount, kibibytes * 1024);
    }
}
