using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Reflection;
using System.Text.Json.Nodes;
using AiFabric.Cli.Cluster;
using AiFabric.Cli.Interop;
using AiFabric.Crds.Common;
using AiFabric.Kube;
using k8s;
using k8s.Models;

namespace AiFabric.Cli.Fabric;

/// <summary>The fabric on this machine: a local cluster, and on it the operator and the gateway.</summary>
public sealed class LocalFabric(FabricPaths paths, FabricPorts ports, TimeProvider time)
{
    private const string SystemSpace = "aifabric-system";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Ports of operator and gateway (fabric.yaml), and of workers.</summary>
    private static readonly int[] PodPorts = [8080, 8081, Ports.ServingNumber, Ports.ControlNumber];

    public Uri GatewayUri { get; } = new($"http://127.0.0.1:{ports.Gateway}");

    /// <summary>What the supervisor passes to the local cluster.</summary>
    public IReadOnlyList<string> ClusterArguments() =>
    [
        "--data-dir", paths.Cluster,
        "--port", ports.Api.ToString(CultureInfo.InvariantCulture),
        "--kubeconfig", paths.Kubeconfig,
        "--pod-network", PodNetwork(0, 0),
        "--image", "ghcr.io/aifabric/operator=" + Components.Find(Components.Operator),
        "--image", "ghcr.io/aifabric/gateway=" + Components.Find(Components.Gateway),
        "--image", "ghcr.io/aifabric/worker=" + Components.Find(Components.Worker),
    ];

    /// <summary>Starts the supervisor detached from this terminal, unless it runs already.</summary>
    /// <param name="companion">The fabric ends with this process; null lets it run until <see cref="StopAsync"/>.</param>
    /// <returns>False when it ran already.</returns>
    /// <exception cref="CliException">
    /// A component is missing, a port is taken, a cluster without its supervisor holds the folder, or something else than a fabric is in it.
    /// </exception>
    public bool StartSupervisor(ProcessMark? companion = null)
    {
        if (paths.RunningSupervisor() is not null)
            return false;
        if (paths.RunningCluster() is { } orphan)
            throw new CliException($"the cluster of {paths.Root} (process {orphan.Id}) has lost its supervisor; stop it with 'aifabric down --data-dir {paths.Root}' first");
        ClusterArguments(); // a missing component is told here, not in the log
        PortProbe.RefuseTakenEverywhere(IPAddress.Parse(PodNetwork(255, 254)), PodPorts);
        PortProbe.RefuseTaken("--port", ports.Api);
        PortProbe.RefuseTaken("--gateway-port", ports.Gateway);
        paths.Prepare();
        File.Delete(paths.Kubeconfig);
        string self = Environment.ProcessPath ?? throw new CliException("this program's own path is unknown");
        // A shell leads a session of its own and sets up the log, so that neither depends on this process.
        string[] arguments =
        [
            "-c", "exec setsid \"$0\" \"$@\" >>\"$AIFABRIC_LOG\" 2>&1 </dev/null", self,
            "supervise", "--data-dir", paths.Root, "--port", ports.Api.ToString(CultureInfo.InvariantCulture),
            "--gateway-port", ports.Gateway.ToString(CultureInfo.InvariantCulture),
            .. companion is null ? Array.Empty<string>() : ["--with-process", companion.ToString()],
        ];
        var start = new ProcessStartInfo("/bin/sh", arguments) { UseShellExecute = false };
        start.Environment["AIFABRIC_LOG"] = paths.Log;
        using Process? _ = Process.Start(start);
        return true;
    }

    /// <summary>Waits for the API server, applies CRDs and control plane, and waits until both parts are available.</summary>
    /// <exception cref="CliException">Something did not become ready; the message says what.</exception>
    public async Task DeployAsync(Action<string> say, CancellationToken cancellationToken)
    {
        await UntilAsync("the API server", async () => File.Exists(paths.Kubeconfig) && await AnswersAsync(cancellationToken), cancellationToken);
        say("API server ready");
        using var client = new ClusterClient(KubeConfig.FromFile(paths.Kubeconfig));
        foreach (JsonObject crd in Resources("crds/"))
            await client.ApplyAsync(crd, "default", cancellationToken);
        foreach (JsonObject part in Resources("fabric.yaml"))
            await client.ApplyAsync(part, "default", cancellationToken);
        say("CRDs, operator and gateway applied");
        foreach (string name in new[] { "aifabric-operator", "aifabric-gateway" })
        {
            await UntilAsync(
                $"deployment {name}", () => IsAvailableAsync(client, name, cancellationToken), () => TroubleAsync(client, name, cancellationToken), cancellationToken);
            say($"{name} available");
        }
    }

    /// <summary>Stops everything that <c>up</c> started and waits for it.</summary>
    /// <returns>False when nothing ran.</returns>
    public async Task<bool> StopAsync(CancellationToken cancellationToken)
    {
        bool supervised = await EndAsync(paths.RunningSupervisor(), cancellationToken);

        // A supervisor that was killed has left its cluster running.
        return await EndAsync(paths.RunningCluster(), cancellationToken) || supervised;
    }

    private async Task<bool> EndAsync(ProcessMark? process, CancellationToken cancellationToken)
    {
        if (process is null)
            return false;
        Signals.Terminate(process.Id);
        await UntilAsync($"the end of process {process.Id}", () => Task.FromResult(!process.IsRunning()), cancellationToken);
        return true;
    }

    /// <summary>
    /// Two fabrics on one machine need different pod networks: by the API's port each has its own, and keeps it over restarts (unless the ports
    /// differ by a multiple of 100). Its pods never get the last addresses.
    /// </summary>
    private string PodNetwork(int third, int fourth) =>
        string.Create(CultureInfo.InvariantCulture, $"127.{100 + (Math.Abs(ports.Api - FabricPorts.Default.Api) % 100)}.{third}.{fourth}");

    private IEnumerable<JsonObject> Resources(string prefix)
    {
        Assembly assembly = typeof(LocalFabric).Assembly;
        string version = assembly.GetName().Version!.ToString(3); // always set by the build
        foreach (string name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!); // the name was just listed
            string text = reader.ReadToEnd()
                .Replace("{VERSION}", version, StringComparison.Ordinal)
                .Replace("{KUBECONFIG}", paths.Kubeconfig, StringComparison.Ordinal)
                .Replace("{DATA}", paths.Data, StringComparison.Ordinal)
                .Replace("{MODELS}", paths.Models, StringComparison.Ordinal)
                .Replace("{GATEWAY_PORT}", ports.Gateway.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
            foreach (JsonObject entity in Manifests.Parse(text, name))
                yield return entity;
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        try
        {
            using var client = new ClusterClient(KubeConfig.FromFile(paths.Kubeconfig));
            await client.GetAsync("namespaces", "default", null, asTable: false, cancellationToken);
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or KubernetesApiException or IOException or k8s.Exceptions.KubeConfigException)
        {
            return false;
        }
    }

    private static async Task<bool> IsAvailableAsync(ClusterClient client, string name, CancellationToken cancellationToken)
    {
        var found = await client.GetAsync("deployments", name, SystemSpace, asTable: false, cancellationToken);
        return found[0].Body.TryGetProperty("status", out var status) && status.TryGetProperty("conditions", out var conditions)
            && conditions.EnumerateArray().Any(c => c.GetProperty("type").GetString() == "Available" && c.GetProperty("status").GetString() == "True");
    }

    private static async Task<string?> TroubleAsync(ClusterClient client, string name, CancellationToken cancellationToken)
    {
        var found = await client.GetAsync("pods", null, SystemSpace, asTable: false, cancellationToken);
        return PodTrouble.Of(KubernetesJson.Deserialize<V1PodList>(found[0].Body.GetRawText()).Items, name);
    }

    private Task UntilAsync(string what, Func<Task<bool>> holds, CancellationToken cancellationToken) =>
        UntilAsync(what, holds, () => Task.FromResult<string?>(null), cancellationToken);

    /// <exception cref="CliException">It did not hold in time; the message has the answer to <paramref name="why"/>.</exception>
    private async Task UntilAsync(string what, Func<Task<bool>> holds, Func<Task<string?>> why, CancellationToken cancellationToken)
    {
        long started = time.GetTimestamp();
        while (!await holds())
        {
            if (time.GetElapsedTime(started) > Patience)
            {
                string reason = await why() is { } text ? $": {text}" : "";
                throw new CliException($"{what} did not come within {Patience.TotalSeconds:0} s{reason}; see {paths.Log}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellationToken);
        }
    }
}
