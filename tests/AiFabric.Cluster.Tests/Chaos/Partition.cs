using System.Globalization;
using AiFabric.Cluster.Tests.RealCluster;
using k8s.Models;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>Drops every packet between some pods and the API server, in both directions, without a word to either side, until disposed of.</summary>
internal sealed class Partition : IAsyncDisposable
{
    private readonly List<string[]> _rules = [];

    private Partition()
    {
    }

    public static async Task<Partition> BetweenAsync(IEnumerable<V1Pod> pods, int apiServerPort)
    {
        var partition = new Partition();
        string port = apiServerPort.ToString(CultureInfo.InvariantCulture);
        foreach (string address in pods.Select(pod => pod.Status.PodIP))
        {
            await partition.AddAsync("INPUT", "-s", address, "-p", "tcp", "--dport", port, "-j", "DROP");
            await partition.AddAsync("OUTPUT", "-d", address, "-p", "tcp", "--sport", port, "-j", "DROP");
        }
        return partition;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (string[] rule in _rules)
            await IptablesAsync(["-D", .. rule]);
    }

    private async Task AddAsync(params string[] rule)
    {
        await IptablesAsync(["-I", .. rule]);
        _rules.Add(rule);
    }

    private static Task<string> IptablesAsync(string[] arguments) => Shell.RunAsync("iptables", ["-w", .. arguments], new Dictionary<string, string?>());
}
