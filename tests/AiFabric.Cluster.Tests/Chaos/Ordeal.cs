using System.Diagnostics;
using AiFabric.Cluster.Tests.EndToEnd;
using AiFabric.Cluster.Tests.Load;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using k8s;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>One fault under a steady stream of chats: before, during, and until all is as it was.</summary>
/// <param name="fabric">What it is done to.</param>
/// <param name="output">Gets the row.</param>
internal sealed class Ordeal(ChaosFabric fabric, ITestOutputHelper output)
{
    private const int MaxTokens = 96;

    /// <summary>Streams that are open at the same time.</summary>
    public const int Concurrency = 4;

    private StreamLoad? _load;

    /// <summary>Does the worst and reports what came of it.</summary>
    /// <param name="fault">For the report.</param>
    /// <param name="strike">The fault, to its end if it lasts.</param>
    /// <param name="atLeast">Streams of the whole ordeal.</param>
    /// <param name="replicas">Replicas that the model then should have.</param>
    public async Task<ChaosRow> EndureAsync(string fault, Func<Task> strike, int atLeast = 0, int replicas = ChaosFabric.Replicas)
    {
        await fabric.HealthyAsync(replicas);
        IReadOnlyDictionary<string, int> before = await InventoryAsync();
        using var load = _load = new StreamLoad(fabric.Gateway, ChaosFabric.Model, MaxTokens);
        bool over = false;
        Task<LoadResult> streams = load.RunAsync(Concurrency, number => number < atLeast || !Volatile.Read(ref over), TestContext.Current.CancellationToken);
        await ServedAsync(Concurrency);
        using var monitor = new HonestyMonitor(fabric.Client, ChaosFabric.Space, ChaosFabric.Model, ChaosFabric.System);
        monitor.Start();

        await strike();
        var clock = Stopwatch.StartNew();
        await fabric.HealthyAsync(replicas);
        double recovered = clock.Elapsed.TotalSeconds;
        await ServedAsync(2 * Concurrency);
        Volatile.Write(ref over, true);
        LoadResult result = await streams;

        var row = new ChaosRow(fault, result, recovered, await LeftBehindAsync(before), await monitor.StopAsync());
        fabric.Add(row);
        output.WriteLine(row.ToString());
        output.WriteLine(result.ToString());
        Assert.True(row.Honesty.Samples > 0 && row.Honesty.FalseReadySeconds == 0, row.ToString());
        Assert.Equal(0, row.Load.Of(StreamEnding.Malformed));
        Assert.Empty(row.LeftBehind);
        return row;
    }

    /// <summary>Waits until so many more streams have ended: the suite's clock, which needs no sleep.</summary>
    public Task ServedAsync(int more)
    {
        int goal = _load!.Ended + more; // Only called while an ordeal goes on.
        return FabricFixture.UntilAsync(() => Task.FromResult(_load.Ended >= goal), () => $"{goal} streams; {_load.Ended} have ended", seconds: 180);
    }

    /// <summary>What is there more of than before, once there is time to tidy up.</summary>
    private async Task<IReadOnlyList<string>> LeftBehindAsync(IReadOnlyDictionary<string, int> before)
    {
        string[] left = [];
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < TimeSpan.FromSeconds(90))
        {
            IReadOnlyDictionary<string, int> now = await InventoryAsync();
            left = [.. now.Where(kind => kind.Value > before.GetValueOrDefault(kind.Key)).Select(kind => $"{kind.Value - before.GetValueOrDefault(kind.Key)} {kind.Key}")];
            if (left.Length == 0)
                break;
            await Task.Delay(500, TestContext.Current.CancellationToken);
        }
        return left;
    }

    /// <summary>How many there are of everything that the fabric makes. Old ReplicaSets without pods are a Deployment's memory, not litter.</summary>
    private async Task<IReadOnlyDictionary<string, int>> InventoryAsync() => new Dictionary<string, int>
    {
        ["pods"] = await CountAsync<V1Pod>(),
        ["Deployments"] = await CountAsync<V1Deployment>(),
        ["ReplicaSets"] = await CountAsync<V1ReplicaSet>(set => set.Spec.Replicas > 0),
        ["Services"] = await CountAsync<V1Service>(),
        ["Secrets"] = await CountAsync<V1Secret>(),
        ["Leases"] = await CountAsync<V1Lease>(),
        ["models"] = await CountAsync<CoServedModel>(),
        ["jobs"] = await CountAsync<FinetuneJob>(),
        ["adapters"] = await CountAsync<Adapter>(),
        ["worker processes"] = ContainerProcess.Count("aifabric-worker"),
        ["gateway processes"] = ContainerProcess.Count("aifabric-gateway"),
        ["operator processes"] = ContainerProcess.Count("aifabric-operator"),
    };

    private async Task<int> CountAsync<T>(Func<T, bool>? counts = null)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        IReadOnlyList<T> mine = [.. await fabric.Client.ListAsync<T>(ChaosFabric.Space), .. await fabric.Client.ListAsync<T>(ChaosFabric.System)];
        return mine.Count(counts ?? (_ => true));
    }
}
