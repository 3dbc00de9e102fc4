using AiFabric.Operator.Storage;
using k8s.Models;

namespace AiFabric.Operator.Models;

/// <summary>
/// What lets a worker pod pass the <c>restricted</c> Pod Security Standard (https://kubernetes.io/docs/concepts/security/pod-security-standards/)
/// and run with a read-only root file system.
/// </summary>
internal static class PodSecurity
{
    /// <summary>The user of the images.</summary>
    private const long User = 65_532;

    /// <summary>Volumes and mounts of what a worker writes to.</summary>
    /// <param name="data">Where jobs write by default. A claim is mounted as such; a plain path is a folder of the pod, gone with it.</param>
    public static IReadOnlyList<(V1Volume Volume, V1VolumeMount Mount)> WritableFolders(StorageUri data)
    {
        (string Name, string Path)[] folders = data.Claim is null ? [("tmp", "/tmp"), ("data", data.Path)] : [("tmp", "/tmp")];
        return
        [
            .. folders.DistinctBy(folder => folder.Path).Select(folder => (
                new V1Volume { Name = PodTemplateBuilder.VolumePrefix + folder.Name, EmptyDir = new V1EmptyDirVolumeSource() },
                new V1VolumeMount { Name = PodTemplateBuilder.VolumePrefix + folder.Name, MountPath = folder.Path })),
        ];
    }

    public static V1PodSecurityContext OfPod() => new()
    {
        RunAsNonRoot = true,
        RunAsUser = User,
        RunAsGroup = User,
        FsGroup = User,
        SeccompProfile = new V1SeccompProfile { Type = "RuntimeDefault" },
    };

    public static V1SecurityContext OfContainer() => new()
    {
        AllowPrivilegeEscalation = false,
        ReadOnlyRootFilesystem = true,
        Capabilities = new V1Capabilities { Drop = ["ALL"] },
    };
}
