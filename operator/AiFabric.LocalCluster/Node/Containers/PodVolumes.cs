using System.Text;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>A folder or file of this machine that a container sees at a path.</summary>
internal sealed record Mount(string Source, string Target, bool ReadOnly);

/// <summary>Makes a pod's volumes as folders of the pod's own folder, and tells what to mount where.</summary>
internal sealed class PodVolumes(IPodConfig config, NodeCapacity capacity, string claimsFolder, bool canMount)
{
    /// <summary>Writes the volumes a container uses and returns its mounts; content of Secrets and ConfigMaps is that of this moment.</summary>
    /// <exception cref="ConfigException">Something referred to is missing, or this node cannot mount it.</exception>
    public IReadOnlyList<Mount> Prepare(V1Pod pod, V1Container container, string podFolder, string podIp)
    {
        var mounts = new List<Mount>();
        foreach (V1VolumeMount mount in container.VolumeMounts ?? [])
        {
            V1Volume volume = pod.Spec.Volumes?.FirstOrDefault(v => v.Name == mount.Name)
                ?? throw new ConfigException($"volumeMounts: pod has no volume \"{mount.Name}\"");
            string source = Path.GetFullPath(Path.Combine(Materialise(pod, volume, podFolder, podIp), mount.SubPath ?? "."));
            if (mount.SubPath is not null && !Path.Exists(source))
            {
                Directory.CreateDirectory(source);
            }

            if (Path.TrimEndingDirectorySeparator(source) == Path.TrimEndingDirectorySeparator(mount.MountPath))
            {
                continue; // a process sees the machine's paths anyway
            }

            mounts.Add(canMount ? new Mount(source, mount.MountPath, mount.ReadOnlyProperty == true) : throw new ConfigException(
                $"cannot mount volume \"{mount.Name}\" at {mount.MountPath}: this machine does not allow mount namespaces (run as root), "
                + "so only a hostPath volume mounted at its own path works"));
        }

        return mounts;
    }

    private string Materialise(V1Pod pod, V1Volume volume, string podFolder, string podIp)
    {
        string ns = pod.Metadata.NamespaceProperty;
        string folder = Path.Combine(podFolder, "volumes", volume.Name);
        if (volume.HostPath is { } host)
        {
            return HostPath(host);
        }

        if (volume.PersistentVolumeClaim is { } claim)
        {
            return config.HasClaim(ns, claim.ClaimName)
                ? Directory.CreateDirectory(Path.Combine(claimsFolder, ns, claim.ClaimName)).FullName
                : throw new ConfigException($"persistentvolumeclaim \"{claim.ClaimName}\" not found");
        }

        Directory.CreateDirectory(folder);
        foreach (V1VolumeProjection part in Projections(volume))
        {
            foreach ((string path, byte[] content) in Files(pod, part, podIp))
            {
                WriteFile(folder, path, content);
            }
        }

        return folder;
    }

    private static string HostPath(V1HostPathVolumeSource host)
    {
        if (host.Type is "DirectoryOrCreate")
        {
            Directory.CreateDirectory(host.Path);
        }
        else if (host.Type is "FileOrCreate" && !File.Exists(host.Path))
        {
            File.Create(host.Path).Dispose();
        }

        return Path.Exists(host.Path) ? host.Path : throw new ConfigException($"hostPath {host.Path} does not exist; create it or set type: DirectoryOrCreate");
    }

    private static IEnumerable<V1VolumeProjection> Projections(V1Volume volume)
    {
        if (volume.EmptyDir is not null)
        {
            return [];
        }

        if (volume.Secret is { } secret)
        {
            return [new V1VolumeProjection { Secret = new V1SecretProjection { Name = secret.SecretName, Items = secret.Items, Optional = secret.Optional } }];
        }

        if (volume.ConfigMap is { } map)
        {
            return [new V1VolumeProjection { ConfigMap = new V1ConfigMapProjection { Name = map.Name, Items = map.Items, Optional = map.Optional } }];
        }

        if (volume.DownwardAPI is { } downward)
        {
            return [new V1VolumeProjection { DownwardAPI = new V1DownwardAPIProjection { Items = downward.Items } }];
        }

        return volume.Projected?.Sources ?? throw new ConfigException(
            $"volume \"{volume.Name}\": only emptyDir, hostPath, configMap, secret, downwardAPI, projected and persistentVolumeClaim work on this node");
    }

    private IEnumerable<KeyValuePair<string, byte[]>> Files(V1Pod pod, V1VolumeProjection part, string podIp)
    {
        string ns = pod.Metadata.NamespaceProperty;
        if (part.Secret is { } secret)
        {
            IDictionary<string, byte[]>? data = config.Secret(ns, secret.Name) is { } found ? found.Data ?? new Dictionary<string, byte[]>() : null;
            return Select(data, secret.Items, "secret", secret.Name, secret.Optional == true);
        }

        if (part.ConfigMap is { } map)
        {
            return Select(Content(config.ConfigMap(ns, map.Name)), map.Items, "configmap", map.Name, map.Optional == true);
        }

        if (part.DownwardAPI is { } downward)
        {
            return (downward.Items ?? []).Select(item => KeyValuePair.Create(item.Path, Encoding.UTF8.GetBytes(item.FieldRef is { } field
                ? PodFields.Field(pod, field.FieldPath, podIp)
                : PodFields.Resource(item.ResourceFieldRef, pod.Spec.Containers.First(c => c.Name == item.ResourceFieldRef.ContainerName), capacity))));
        }

        throw new ConfigException("a projected volume's sources must be secret, configMap or downwardAPI on this node");
    }

    private static Dictionary<string, byte[]>? Content(V1ConfigMap? map)
    {
        if (map is null)
        {
            return null;
        }

        Dictionary<string, byte[]> files = (map.Data ?? new Dictionary<string, string>()).ToDictionary(d => d.Key, d => Encoding.UTF8.GetBytes(d.Value));
        foreach ((string name, byte[] bytes) in map.BinaryData ?? new Dictionary<string, byte[]>())
        {
            files[name] = bytes;
        }

        return files;
    }

    private static IEnumerable<KeyValuePair<string, byte[]>> Select(IDictionary<string, byte[]>? data, IList<V1KeyToPath>? items, string kind, string name, bool optional)
    {
        if (data is null)
        {
            return optional ? [] : throw new ConfigException($"{kind} \"{name}\" not found");
        }

        return items is not { Count: > 0 } ? data : items.Where(i => !optional || data.ContainsKey(i.Key)).Select(i =>
            KeyValuePair.Create(i.Path, data.TryGetValue(i.Key, out byte[]? content) ? content : throw new ConfigException($"couldn't find key {i.Key} in {kind} \"{name}\"")));
    }

    private static void WriteFile(string folder, string path, byte[] content)
    {
        string target = Path.GetFullPath(Path.Combine(folder, path));
        if (!target.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            throw new ConfigException($"volume path \"{path}\" leaves the volume");
        }

        Directory.CreateDirectory(Path.GetDirectoryName(target)!); // target lies below folder
        string fresh = target + ".new";
        File.WriteAllBytes(fresh, content);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(fresh, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        File.Move(fresh, target, overwrite: true);
    }
}
