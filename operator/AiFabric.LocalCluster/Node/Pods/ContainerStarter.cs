using AiFabric.LocalCluster.Node.Containers;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>Turns a container's specification into a launch request, or says why that cannot be.</summary>
internal static class ContainerStarter
{
    public const string NoImage = "ErrImagePull";
    public const string ImageBackOff = "ImagePullBackOff";
    public const string ConfigError = "CreateContainerConfigError";

    /// <exception cref="ConfigException">Something is missing or not supported.</exception>
    public static LaunchRequest Prepare(PodHost host, V1Pod pod, V1Container container, IReadOnlyList<string> commandLine, PodFolder folder, PodRecord record, int run)
    {
        RefuseUnsupported(container);
        IReadOnlyDictionary<string, string> environment = host.Environment.Resolve(pod, container, record.Ip);
        string work = Path.Combine(folder.Path, "work");
        Directory.CreateDirectory(work);
        return new LaunchRequest
        {
            Folder = folder.Run(container.Name, run),
            Command = [.. commandLine.Select(part => VariableExpansion.Expand(part, environment))],
            Environment = environment,
            WorkingFolder = string.IsNullOrEmpty(container.WorkingDir) ? work : container.WorkingDir,
            Mounts = host.Volumes.Prepare(pod, container, folder.Path, record.Ip),
        };
    }

    // What would change the container's behaviour must not be ignored in silence.
    private static void RefuseUnsupported(V1Container container)
    {
        string? field = container switch
        {
            { Lifecycle.PostStart: not null } => "lifecycle.postStart",
            { RestartPolicy: not null } => "restartPolicy of a single container (sidecar)",
            { VolumeDevices.Count: > 0 } => "volumeDevices",
            { Stdin: true } => "stdin",
            { Tty: true } => "tty",
            _ => null,
        };
        if (field is not null)
        {
            throw new ConfigException($"container \"{container.Name}\": {field} is not supported by the local node");
        }
    }
}
