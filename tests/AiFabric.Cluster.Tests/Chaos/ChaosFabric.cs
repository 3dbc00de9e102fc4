using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using AiFabric.Cluster.Tests.EndToEnd;
using AiFabric.Cluster.Tests.EndToEnd.OnNodes;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>
/// A real control plane and two real nodes with the chart installed and a model of two replicas: what the chaos suite does its worst to. The jobs'
/// data lie on a small file system of their own, so that its disk can be filled.
/// </summary>
public sealed class ChaosFabric : IAsyncLifetime
{
    public const string System = "aifabric-system";
    public const string Space = "default";
    public const string Model = "chaos";
    public const int Replicas = 2;

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Converters = { new JsonStringEnumConverter() } };

    private readonly string? _missing = NodeImages.Missing();
    private readonly List<ChaosRow> _rows = [];
    private ControlPlane? _plane;

    /// <summary>Skips the test visibly where there is nothing to run it on.</summary>
    public ControlPlane Plane
    {
        get
        {
            Assert.SkipUnless(_missing is null, _missing ?? "");
            return _plane!; // It started, or the fixture would have failed.
        }
    }

    public IKubernetesClient Client => Plane.Client;

    /// <summary>The gateway's Service, which this machine reaches as pods do.</summary>
    public Uri Gateway { get; private set; } = new("http://unknown");

    /// <summary>Folder of the jobs' data, on a file system of 24 MiB.</summary>
    public string Data => Path.Combine(Plane.Folder, "data");

    public async ValueTask InitializeAsync()
    {
        if (_missing is not null)
            return;
        _plane = await ControlPlane.StartAsync(new ControlPlaneOptions { ApplyCustomResourceDefinitions = false });
        try
        {
            await _plane.StartNodesAsync(2, NodeImages.Tars);
            await InstallAsync();
        }
        catch
        {
            await DisposeAsync(); // xunit disposes only what it could initialize.
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_plane is null)
            return;
        await _plane.DisposeAsync();
        await WriteReportAsync();
    }

    /// <summary>Remembers a row for <c>artifacts/chaos</c>.</summary>
    public void Add(ChaosRow row) => _rows.Add(row);

    /// <summary>The gateway's, the operator's or the model's pods that are not on their way out.</summary>
    public async Task<IReadOnlyList<V1Pod>> PodsAsync(string space, string label) =>
        [.. (await Client.ListAsync<V1Pod>(space, label)).Where(pod => pod.Metadata.DeletionTimestamp is null).OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)];

    public Task<IReadOnlyList<V1Pod>> WorkersAsync() => PodsAsync(Space, $"aifabric.io/model={Model}");

    public Task<IReadOnlyList<V1Pod>> GatewaysAsync() => PodsAsync(System, "app.kubernetes.io/component=gateway");

    /// <summary>The operator's pod that holds the Lease.</summary>
    public async Task<V1Pod> LeaderAsync()
    {
        string holder = await HolderAsync();
        return (await PodsAsync(System, "app.kubernetes.io/component=operator"))
            .Single(pod => holder.StartsWith(pod.Metadata.Name, StringComparison.Ordinal));
    }

    /// <summary>Who holds the operator's Lease.</summary>
    public async Task<string> HolderAsync() =>
        (await Client.ListAsync<V1Lease>(System)).Select(lease => lease.Spec.HolderIdentity).FirstOrDefault(holder => !string.IsNullOrEmpty(holder)) ?? "";

    public async Task<CoServedModel> ModelAsync() =>
        await Client.GetAsync<CoServedModel>(Model, Space) ?? throw new InvalidOperationException($"{Model} is gone");

    public Task<CoServedModel> ScaleAsync(int replicas) =>
        Client.PatchAsync<CoServedModel>(Model, Space, new JsonObject { ["spec"] = new JsonObject { ["replicas"] = replicas } });

    /// <summary>Waits until everything is as it was at the start: all pods ready, the model Ready as declared, a living leader.</summary>
    /// <param name="replicas">Replicas that the model should have.</param>
    /// <param name="tell">Hears of each thing that is still amiss.</param>
    public async Task HealthyAsync(int replicas = Replicas, Action<string>? tell = null)
    {
        string? ailment = "";
        await FabricFixture.UntilAsync(
            async () =>
            {
                string? now = await AilmentAsync(replicas);
                if (now is not null && now != ailment)
                    tell?.Invoke(now);
                return (ailment = now) is null;
            },
            () => $"the fabric to be whole; {ailment}", seconds: 240);
    }

    /// <summary>Whether a condition of the pod holds.</summary>
    public static bool Has(V1Pod pod, string type) => pod.Status?.Conditions?.Any(condition => condition.Type == type && condition.Status == "True") == true;

    /// <summary>The first thing that is not as it should be; null when all is well.</summary>
    private async Task<string?> AilmentAsync(int replicas)
    {
        CoServedModel model = await ModelAsync();
        V1Condition? ready = model.Status?.Conditions?.FirstOrDefault(condition => condition.Type == CoServedModelConditions.Ready);
        if (model.Status is not { } status || status.ObservedGeneration != model.Metadata.Generation || ready?.Status != "True"
            || status.ReadyReplicas != replicas || status.UpdatedReplicas != replicas)
        {
            return $"model: {ready?.Status} {ready?.Reason} {ready?.Message}";
        }
        IReadOnlyList<V1Pod> operators = await PodsAsync(System, "app.kubernetes.io/component=operator");
        string holder = await HolderAsync();
        return Sick("workers", await WorkersAsync(), replicas) ?? Sick("gateways", await GatewaysAsync(), 2) ?? Sick("operators", operators, 2)
            ?? (operators.Any(pod => holder.StartsWith(pod.Metadata.Name, StringComparison.Ordinal)) ? null : $"leader: {holder}");
    }

    private static string? Sick(string what, IReadOnlyList<V1Pod> pods, int wanted)
    {
        string[] notReady = [.. pods.Where(pod => !Has(pod, "Ready")).Select(pod => pod.Metadata.Name)];
        return pods.Count == wanted && notReady.Length == 0 ? null : $"{what}: {pods.Count} of {wanted}, not ready: {string.Join(", ", notReady)}";
    }

    private async Task InstallAsync()
    {
        Directory.CreateDirectory(Data);
        await Shell.RunAsync("mount", ["-t", "tmpfs", "-o", "size=24m,mode=777", "tmpfs", Data], new Dictionary<string, string?>());
        await Plane.KubectlAsync(["apply", "-f", "-"], DataVolume.Yaml(Data));
        // The 1.20 core's OpenAPI document, which Helm would validate against, does not know x-kubernetes-validations. The server does.
        await Shell.RunAsync(
            "helm",
            ["install", "aifabric", Path.Combine(ControlPlane.Repository, "charts", "aifabric"), "--namespace", System, "--create-namespace", "--wait", "--timeout", "5m",
                "--disable-openapi-validation", "--set", $"data.uri=pvc://{DataVolume.Claim}"],
            Plane.ClientEnvironment(), seconds: 400);
        await Plane.NameServiceAsync(System, "aifabric-webhooks");
        Gateway = new Uri($"http://{(await Client.GetAsync<V1Service>("aifabric-gateway", System))!.Spec.ClusterIP}"); // Helm waited for it.
        string sample = await File.ReadAllTextAsync(Path.Combine(ControlPlane.Repository, "samples", "kubernetes", "model.yaml"));
        sample = sample
            .Replace("name: demo", $"name: {Model}", StringComparison.Ordinal)
            .Replace("replicas: 1", $"replicas: {Replicas.ToString(CultureInfo.InvariantCulture)}", StringComparison.Ordinal)
            .Replace("cpu: \"1\"", "cpu: 500m", StringComparison.Ordinal); // Else the streams take both cores, and recovery is a matter of CPU shares.
        await FabricFixture.UntilAsync(
            async () => (await Shell.TryAsync("kubectl", ["apply", "-f", "-"], Plane.ClientEnvironment(), sample)).ExitCode == 0,
            () => "the webhooks to let the model in");
        await HealthyAsync();
    }

    private async Task WriteReportAsync()
    {
        if (_rows.Count == 0)
            return;
        string folder = Directory.CreateDirectory(Path.Combine(ControlPlane.Repository, "artifacts", "chaos")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "chaos.md"), $"{ChaosRow.Heading}\n{string.Join('\n', _rows)}\n");
        await File.WriteAllTextAsync(Path.Combine(folder, "chaos.json"), JsonSerializer.Serialize(_rows, Indented));
    }
}

/// <summary>The chaos suite: one fault after another, and not beside other tests.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChaosRuns : ICollectionFixture<ChaosFabric>
{
    public const string Name = "Chaos";
}
