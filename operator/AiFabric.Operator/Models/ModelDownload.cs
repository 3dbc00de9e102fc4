using System.Globalization;
using AiFabric.Crds.CoServedModels;
using AiFabric.Operator.Storage;
using AiFabric.Operator.Workers;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>What a worker pod needs to download: a cache to write, a revision, credentials, time. Pure.</summary>
internal static class ModelDownload
{
    /// <summary>Where a cache is mounted that is not a folder of the node.</summary>
    public const string MountPath = "/var/lib/aifabric/models";

    public const string VolumeName = PodTemplateBuilder.VolumePrefix + "model-cache";

    /// <summary>Seconds that a worker may take to download before it is started anew (and goes on where it was).</summary>
    private const int DownloadSeconds = 24 * 60 * 60;

    /// <summary>Adds it to the operator's own template, before the user's is laid over.</summary>
    public static void AddTo(V1PodSpec pod, ModelSource source, ModelCacheOptions cache)
    {
        V1Container worker = pod.Containers.First(container => container.Name == WorkerPod.ContainerName);
        bool isRemote = StorageUri.TryParse(source.Uri, out StorageUri? uri, out _) && uri.IsRemote;
        if (isRemote)
        {
            if (source.Revision is { } revision)
                AddArguments(worker, "--revision", revision);
            worker.StartupProbe.FailureThreshold = DownloadSeconds / (worker.StartupProbe.PeriodSeconds ?? 1);
        }
        // A lasting cache serves adapters and datasets too; without one a pod with local weights needs no more than its temporary files.
        if (isRemote || cache.HostPath is not null || cache.ClaimName is not null)
            Mount(pod, worker, cache);
    }

    /// <summary>
    /// Adds the store's credentials to the finished template. A template's own sources replace those below them, and of several the last that has a
    /// variable counts: neither may cost the model what its own spec names.
    /// </summary>
    public static void AddCredentials(V1PodSpec pod, ModelSource source)
    {
        if (source.CredentialsSecretRef is not { } secret)
            return;
        V1Container worker = pod.Containers.First(container => container.Name == WorkerPod.ContainerName);
        worker.EnvFrom = [.. worker.EnvFrom ?? [], new V1EnvFromSource { SecretRef = new V1SecretEnvSource { Name = secret.Name } }];
    }

    private static void Mount(V1PodSpec pod, V1Container worker, ModelCacheOptions cache)
    {
        // A node's folder keeps its path, so that it also works where pods are processes that cannot mount.
        string path = cache.HostPath ?? MountPath;
        pod.Volumes = [.. pod.Volumes ?? [], Volume(cache)];
        worker.VolumeMounts = [.. worker.VolumeMounts ?? [], new V1VolumeMount { Name = VolumeName, MountPath = path }];
        AddArguments(worker, "--model-cache", path);
        if (cache.GetSizeLimitBytes() is { } bytes)
            AddArguments(worker, "--model-cache-bytes", bytes.ToString(CultureInfo.InvariantCulture));
    }

    private static V1Volume Volume(ModelCacheOptions cache) => cache switch
    {
        { HostPath: { } path } => new V1Volume { Name = VolumeName, HostPath = new V1HostPathVolumeSource { Path = path, Type = "DirectoryOrCreate" } },
        { ClaimName: { } claim } => new V1Volume
        {
            Name = VolumeName,
            PersistentVolumeClaim = new V1PersistentVolumeClaimVolumeSource { ClaimName = claim },
        },
        _ => new V1Volume
        {
            Name = VolumeName,
            EmptyDir = new V1EmptyDirVolumeSource { SizeLimit = cache.SizeLimit is null ? null : new ResourceQuantity(cache.SizeLimit) },
        },
    };

    private static void AddArguments(V1Container worker, params string[] more) => worker.Args = [.. worker.Args ?? [], .. more];
}
