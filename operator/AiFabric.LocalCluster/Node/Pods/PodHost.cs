using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Controllers.Events;
using AiFabric.LocalCluster.Node.Containers;
using AiFabric.LocalCluster.Node.Probes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>What every pod's worker shares.</summary>
internal sealed class PodHost : IDisposable
{
    public PodHost(IClusterApi api, EventRecorder events, NodeOptions options, TimeProvider time, ILogger<PodHost> logger)
    {
        options.Validate();
        Api = new TypedApi(api);
        Events = events;
        Options = options;
        Time = time;
        Logger = logger;
        Addresses = new PodAddresses(options.PodNetwork);
        Backoff = new RestartBackoff(options.RestartBackoff, options.MaxRestartBackoff, options.BackoffReset);
        bool canMount = Launcher.CanMount();
        Log.MountMode(logger, canMount ? "mounted at their paths in a mount namespace per container" : "only hostPath at its own path; no mount namespaces here");
        var config = new ApiPodConfig(Api);
        Environment = new ContainerEnvironment(config, Capacity);
        Volumes = new PodVolumes(config, Capacity, Path.Combine(options.DataFolder, "claims"), canMount);
    }

    public TypedApi Api { get; }

    public EventRecorder Events { get; }

    public NodeOptions Options { get; }

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    public PodAddresses Addresses { get; }

    public RestartBackoff Backoff { get; }

    public NodeCapacity Capacity { get; } = NodeCapacity.OfThisMachine();

    public ContainerEnvironment Environment { get; }

    public PodVolumes Volumes { get; }

    public ProbeRunner Probes { get; } = new();

    public string PodsFolder => Path.Combine(Options.DataFolder, "pods");

    public void Dispose() => Probes.Dispose();
}
