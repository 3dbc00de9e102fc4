using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AiFabric.Kube;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>
/// A real control plane (etcd, API server, controllers, the custom-resource server) in a folder and on ports of its own, run by the scripts in
/// <c>tests/AiFabric.Cluster.Tests/kubernetes</c>. No nodes, unless <see cref="StartNodesAsync"/> is called.
/// </summary>
public sealed class ControlPlane : IAsyncDisposable
{
    /// <summary>Without any of these no control plane starts.</summary>
    private static readonly string[] Needed =
        ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "apiextensions-apiserver"];

    private readonly ControlPlaneOptions _options;
    private readonly int _port = FreePorts();
    private Nodes? _nodes;
    private KubernetesClient? _client;

    private ControlPlane(ControlPlaneOptions options) => _options = options;

    /// <summary>Root of the repository.</summary>
    public static string Repository { get; } = Root(AppContext.BaseDirectory);

    /// <summary>The API server's.</summary>
    public int Port => _port;

    /// <summary>Certificates, logs, process ids, etcd's data.</summary>
    public string Folder { get; } = StateFolder.Create();

    /// <summary>The administrator's.</summary>
    public string Kubeconfig => Path.Combine(Folder, "admin.kubeconfig");

    /// <summary>One JSON object a line; see <see cref="AuditEvent.Read"/>.</summary>
    public string AuditLog => Path.Combine(Folder, "audit.log");

    /// <summary>As administrator. It survives a restart of the API server.</summary>
    public IKubernetesClient Client => _client ?? throw new InvalidOperationException("the control plane has not started");

    private static string Scripts => Path.Combine(Repository, "tests", "AiFabric.Cluster.Tests", "kubernetes");

    /// <summary>Where the binaries of Kubernetes and Helm are.</summary>
    internal static string Binaries => Environment.GetEnvironmentVariable("K8S_BIN") ?? Path.Combine(
        Environment.GetEnvironmentVariable("K8S_CACHE") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache", "aifabric", "kubernetes"),
        "bin");

    /// <summary>Why none can be started on this machine; null: one can.</summary>
    public static string? Missing() => Needed.FirstOrDefault(name => !File.Exists(Path.Combine(Binaries, name))) is { } name
        ? $"{name} is not in {Binaries}: make e2e, or the scripts in tests/AiFabric.Cluster.Tests/kubernetes, get or build it"
        : null;

    /// <summary>Starts one (about 20 s), and takes down those that killed test runs left behind.</summary>
    public static async Task<ControlPlane> StartAsync(ControlPlaneOptions? options = null)
    {
        await SweepAsync();
        var plane = new ControlPlane(options ?? new ControlPlaneOptions());
        try
        {
            await plane.StartComponentsAsync();
            plane._client = NewClient(plane.Kubeconfig);
            if (plane._options.ApplyCustomResourceDefinitions)
                await plane.ApplyCustomResourceDefinitionsAsync();
            return plane;
        }
        catch
        {
            await plane.DisposeAsync();
            throw;
        }
    }

    /// <summary>Takes down the control planes (and nodes) whose test process is no more.</summary>
    public static Task SweepAsync() => StateFolder.SweepAsync(
        folder => Shell.RunAsync("bash", [Path.Combine(Scripts, "cluster-down.sh")], new Dictionary<string, string?> { ["K8S_RUN"] = folder }));

    /// <summary>A client for a kubeconfig file; the caller disposes of it.</summary>
    public static KubernetesClient NewClient(string kubeconfig) =>
        new(KubeConfig.FromFile(kubeconfig), new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance);

    /// <summary>Starts every component that does not run, waits until the API answers.</summary>
    public async Task StartComponentsAsync()
    {
        await ScriptAsync("cluster-up.sh");
        await ScriptAsync("modern-join.sh", arguments: ["aifabric.io/v1alpha1"]);
    }

    /// <summary>kill -9; waits until the process is gone. <see cref="StartComponentsAsync"/> starts it again.</summary>
    public async Task KillAsync(Component component)
    {
        string id = await File.ReadAllTextAsync(Path.Combine(Folder, component.Name + ".pid"));
        using Process process = Process.GetProcessById(int.Parse(id, CultureInfo.InvariantCulture));
        process.Kill();
        await process.WaitForExitAsync();
    }

    /// <summary>Starts real nodes that have these images. Stop them soon: only one test run of a machine can have nodes.</summary>
    public async Task StartNodesAsync(int count, IReadOnlyList<string> imageTars)
    {
        if (_nodes is not null)
            throw new InvalidOperationException("the nodes run already");
        _nodes = await Nodes.StartAsync(this, count, imageTars);
    }

    public async Task StopNodesAsync()
    {
        if (_nodes is { } nodes)
            await nodes.DisposeAsync();
        _nodes = null;
    }

    /// <summary>
    /// Gives the custom-resource server the address of a webhook's Service, which it looks up by name: there is no DNS here. It notices within 5 s.
    /// Only with nodes does anything answer at the address.
    /// </summary>
    public async Task NameServiceAsync(string @namespace, string name)
    {
        V1Service service = await Client.GetAsync<V1Service>(name, @namespace) ?? throw new InvalidOperationException($"there is no Service {@namespace}/{name}");
        await File.AppendAllTextAsync(Path.Combine(Folder, "hosts"), $"{service.Spec.ClusterIP} {name}.{@namespace}.svc\n");
    }

    /// <summary>Runs kubectl as administrator.</summary>
    /// <returns>What it printed on both outputs.</returns>
    public Task<string> KubectlAsync(IEnumerable<string> arguments, string? input = null, int exitCode = 0) =>
        Shell.RunAsync("kubectl", arguments, ClientEnvironment(), input, exitCode);

    /// <summary>The same, whatever it ends with.</summary>
    internal Task<Said> TryKubectlAsync(IEnumerable<string> arguments) => Shell.TryAsync("kubectl", arguments, ClientEnvironment());

    /// <summary>What kubectl and Helm need to reach this control plane as administrator, with a home of their own.</summary>
    public IReadOnlyDictionary<string, string?> ClientEnvironment() => new Dictionary<string, string?>
    {
        ["KUBECONFIG"] = Kubeconfig,
        ["HOME"] = Folder,
        ["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:{Binaries}",
    };

    public async ValueTask DisposeAsync()
    {
        await StopNodesAsync();
        _client?.Dispose();
        await ScriptAsync("cluster-down.sh");
    }

    internal async Task<string> ScriptAsync(
        string name, IReadOnlyDictionary<string, string?>? settings = null, IEnumerable<string>? arguments = null, int seconds = 180)
    {
        var environment = new Dictionary<string, string?>(settings ?? new Dictionary<string, string?>())
        {
            ["K8S_RUN"] = Folder,
            ["K8S_LOGS"] = Folder,
            ["K8S_PORT"] = _port.ToString(CultureInfo.InvariantCulture),
            ["K8S_BIND"] = "0.0.0.0", // Pods of real nodes reach the API over a bridge.
            ["APISERVER_ARGS"] = string.Join(' ', [.. AuditArguments(), .. _options.ApiServerArguments]),
            ["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:{Binaries}",
        };
        return await Shell.RunAsync("bash", [Path.Combine(Scripts, name), .. arguments ?? []], environment, seconds: seconds);
    }

    private string[] AuditArguments()
    {
        if (!_options.Audit)
            return [];
        string policy = Path.Combine(Folder, "audit-policy.yaml");
        File.WriteAllText(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n");
        return [$"--audit-policy-file={policy}", $"--audit-log-path={AuditLog}"];
    }

    private async Task ApplyCustomResourceDefinitionsAsync()
    {
        // The 1.20 core's OpenAPI document, which kubectl would validate against, does not know x-kubernetes-validations. The server does.
        await KubectlAsync(["apply", "--validate=false", "-f", Path.Combine(Repository, "crds", "manifests")]);
        await KubectlAsync(["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"]);
        await ServedAsync();
    }

    /// <summary>Waits until every custom resource can be listed: Established comes a second or two before the API server passes requests on.</summary>
    public async Task ServedAsync()
    {
        var clock = Stopwatch.StartNew();
        foreach (V1CustomResourceDefinition definition in await Client.ListAsync<V1CustomResourceDefinition>())
        {
            while (await TryKubectlAsync(["get", definition.Metadata.Name, "-A"]) is { ExitCode: not 0 } said)
            {
                if (clock.Elapsed > TimeSpan.FromSeconds(30))
                    throw new TimeoutException($"{definition.Metadata.Name} was not served within 30 s: {said.Text}");
                await Task.Delay(100);
            }
        }
    }

    /// <summary>The first of four free ports in a row, below those that the kernel hands out.</summary>
    private static int FreePorts()
    {
        for (int attempt = 0; attempt < 1000; attempt++)
        {
            int first = 20_000 + ((Environment.ProcessId + attempt) % 3000 * 4);
            if (Enumerable.Range(first, 4).All(IsFree))
                return first;
        }
        throw new InvalidOperationException("no four free ports in a row between 20000 and 32000");
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var probe = new TcpListener(IPAddress.Any, port);
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static string Root(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : Root(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}
