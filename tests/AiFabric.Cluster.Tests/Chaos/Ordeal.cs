using System.Diagnostics;
using AiFabric.Cluster.Tests.EndToEnd;
using AiFabric.Cluster.Tests.Load;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using k8s;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>One fault under a steady stream of chats: before, during, and until all is as it was.</summary>
internal sealed class Ordeal : IDisposable
{
    private const int MaxTokens = 96;

    private readonly ChaosFabric _fabric;
    private readonly ITestOutputHelper _output;
    private readonly Fault _fault;
    private readonly StreamLoad _load;
    private readonly HonestyMonitor _monitor;
    private readonly Stopwatch _clock = new();

    private Ordeal(ChaosFabric fabric, ITestOutputHelper output, Fault fault)
    {
        (_fabric, _output, _fault) = (fabric, output, fault);
        _load = new StreamLoad(fabric.Gateway, ChaosFabric.Model, MaxTokens);
        _monitor = new HonestyMonitor(fabric.Client, ChaosFabric.Space, ChaosFabric.Model, ChaosFabric.System);
    }

    /// <summary>Does the worst, reports what came of it, and holds it to what must be true whatever the fault is.</summary>
    public static async Task<ChaosRow> EndureAsync(ChaosFabric fabric, ITestOutputHelper output, Fault fault)
    {
        using var ordeal = new Ordeal(fabric, output, fault);
        ChaosRow row = await ordeal.EndureAsync();
        Assert.True(row.Honesty.Samples > 0 && row.Honesty.FalseReadySeconds == 0, row.ToString());
        Assert.Equal(0, row.Load.Of(StreamEnding.Malformed));
        Assert.Empty(row.LeftBehind);
        return row;
    }

    /// <summary>Called when a fault that lasts has ended: recovery is counted from here.</summary>
    public void Over() => _clock.Restart();

    /// <summary>Waits until so many more streams have ended: the suite's clock, which needs no sleep.</summary>
    public Task ServedAsync(int more)
    {
        int goal = _load.Ended + more;
        return FabricFixture.UntilAsync(() => Task.FromResult(_load.Ended >= goal), () => $"{goal} streams; {_load.Ended} have ended", seconds: 180);
    }

    /// <summary>Waits until the fabric is whole; what is amiss meanwhile goes to the test's output.</summary>
    public Task HealthyAsync() => _fabric.HealthyAsync(
        _fault.ReplicasAfter ?? _fault.Replicas,
        ailment => _output.WriteLine(FormattableString.Invariant($"{_fault.Name}: {_clock.Elapsed.TotalSeconds:0.0} s: {ailment}")));

    public void Dispose()
    {
        _load.Dispose();
        _monitor.Dispose();
    }

    private async Task<ChaosRow> EndureAsync()
    {
        await _fabric.ScaleAsync(_fault.Replicas);
        await _fabric.HealthyAsync(_fault.Replicas);
        IReadOnlyDictionary<string, int> before = await InventoryAsync();
        bool over = false;
        double recovered;
        LoadResult result;
        Task<LoadResult> streams = _load.RunAsync(_fault.Concurrency, _ => !Volatile.Read(ref over), TestContext.Current.CancellationToken);
        try
        {
            await ServedAsync(_fault.Concurrency);
            _monitor.Start();
            _clock.Restart();
            await _fault.StrikeAsync(this);
            await HealthyAsync();
            recovered = _clock.Elapsed.TotalSeconds;
            await ServedAsync(2 * _fault.Concurrency);
            await _fault.TidyAsync();
        }
        finally
        {
            Volatile.Write(ref over, true);
            result = await streams;
            _output.WriteLine($"{_fault.Name}: {result}");
        }
        Honesty honesty = await _monitor.StopAsync();
        var row = new ChaosRow(_fault.Name, result, recovered, await LeftBehindAsync(before), honesty);
        _fabric.Add(row);
        _output.WriteLine(row.ToString());
        return row;
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
        IReadOnlyList<T> mine = [.. await _fabric.Client.ListAsync<T>(ChaosFabric.Space), .. await _fabric.Client.ListAsync<T>(ChaosFabric.System)];
        return mine.Count(counts ?? (_ => true));
    }
}
