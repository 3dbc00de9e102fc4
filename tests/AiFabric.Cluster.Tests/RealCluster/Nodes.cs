using System.Globalization;
using k8s.Models;

namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>Real nodes (containerd, kubelet, kube-proxy) of a control plane: <c>node1</c>, <c>node2</c>, ... They go on disposal.</summary>
internal sealed class Nodes : IAsyncDisposable
{
    private readonly ControlPlane _plane;
    private readonly FileStream _turn;
    private readonly int _count;

    private Nodes(ControlPlane plane, FileStream turn, int count) => (_plane, _turn, _count) = (plane, turn, count);

    /// <summary>Starts them, once no other test run of this machine has any: they use the machine's iptables, bridges and ports.</summary>
    /// <param name="plane">Whose nodes they are.</param>
    /// <param name="count">How many.</param>
    /// <param name="imageTars">Image archives (docker-archive) that every node gets.</param>
    public static async Task<Nodes> StartAsync(ControlPlane plane, int count, IReadOnlyList<string> imageTars)
    {
        FileStream turn = await FileLock.TakeAsync(Path.Combine(Path.GetTempPath(), "nodes.lock"), TimeSpan.FromMinutes(30));
        var nodes = new Nodes(plane, turn, count);
        try
        {
            await ControlPlane.SweepAsync(); // Nodes of a killed test run would be in the way.
            for (int index = 1; index <= count; index++)
            {
                var settings = new Dictionary<string, string?>
                {
                    ["NODE"] = Name(index),
                    ["NODE_IDX"] = index.ToString(CultureInfo.InvariantCulture),
                    ["NODE_CGROUP_ROOT"] = index == 1 ? null : "/" + Name(index),
                    ["IMAGES"] = string.Join(' ', imageTars),
                };
                await plane.ScriptAsync("node-up.sh", settings, seconds: 400);
            }
            return nodes;
        }
        catch
        {
            await nodes.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await _plane.ScriptAsync("node-down.sh");
            for (int index = 1; index <= _count; index++)
                await _plane.Client.DeleteAsync<V1Node>(Name(index));
        }
        finally
        {
            await _turn.DisposeAsync();
        }
    }

    private static string Name(int index) => "node" + index.ToString(CultureInfo.InvariantCulture);
}
