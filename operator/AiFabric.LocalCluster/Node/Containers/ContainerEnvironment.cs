using System.Text;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>Computes a container's environment variables.</summary>
internal sealed class ContainerEnvironment(IPodConfig config, NodeCapacity capacity)
{
    /// <summary>What a process gets from this machine without asking: enough to find programs, .NET and libtorch.</summary>
    private static readonly string[] Inherited = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "LIBTORCH_DIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"];

    /// <summary>Name → value, later definitions over earlier ones, <c>$(NAME)</c> expanded.</summary>
    /// <exception cref="ConfigException">A Secret, ConfigMap, key or field is missing.</exception>
    public IReadOnlyDictionary<string, string> Resolve(V1Pod pod, V1Container container, string podIp)
    {
        Dictionary<string, string> inherited = OfThisProcess();
        inherited["HOSTNAME"] = pod.Spec.Hostname ?? pod.Metadata.Name;
        var declared = new Dictionary<string, string>();
        foreach (V1EnvFromSource source in container.EnvFrom ?? [])
        {
            foreach ((string name, string value) in FromSource(pod.Metadata.NamespaceProperty, source))
            {
                declared[(source.Prefix ?? "") + name] = value;
            }
        }

        foreach (V1EnvVar variable in container.Env ?? [])
        {
            if (variable.ValueFrom is null)
            {
                declared[variable.Name] = VariableExpansion.Expand(variable.Value ?? "", declared);
            }
            else if (FromReference(pod, container, variable.ValueFrom, podIp) is { } value)
            {
                declared[variable.Name] = value;
            }
        }

        foreach ((string name, string value) in declared)
        {
            inherited[name] = value;
        }

        return inherited;
    }

    private static Dictionary<string, string> OfThisProcess()
    {
        var result = new Dictionary<string, string>();
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            if (variable is { Key: string name, Value: string value } && (Inherited.Contains(name) || name.StartsWith("DOTNET_", StringComparison.Ordinal)))
            {
                result[name] = value;
            }
        }

        return result;
    }

    private IEnumerable<KeyValuePair<string, string>> FromSource(string ns, V1EnvFromSource source)
    {
        if (source.ConfigMapRef is { } mapRef)
        {
            V1ConfigMap? map = config.ConfigMap(ns, mapRef.Name);
            return map is null && mapRef.Optional != true
                ? throw new ConfigException($"configmap \"{mapRef.Name}\" not found")
                : map?.Data ?? new Dictionary<string, string>();
        }

        if (source.SecretRef is { } secretRef)
        {
            V1Secret? secret = config.Secret(ns, secretRef.Name);
            return secret is null && secretRef.Optional != true
                ? throw new ConfigException($"secret \"{secretRef.Name}\" not found")
                : (secret?.Data ?? new Dictionary<string, byte[]>()).ToDictionary(d => d.Key, d => Encoding.UTF8.GetString(d.Value));
        }

        return [];
    }

    private string? FromReference(V1Pod pod, V1Container container, V1EnvVarSource source, string podIp)
    {
        string ns = pod.Metadata.NamespaceProperty;
        if (source.FieldRef is { } field)
        {
            return PodFields.Field(pod, field.FieldPath, podIp);
        }

        if (source.ResourceFieldRef is { } resource)
        {
            V1Container about = pod.Spec.Containers.FirstOrDefault(c => c.Name == resource.ContainerName) ?? container;
            return PodFields.Resource(resource, about, capacity);
        }

        if (source.SecretKeyRef is { } secretKey)
        {
            IDictionary<string, byte[]>? data = config.Secret(ns, secretKey.Name)?.Data;
            byte[]? value = data is not null && data.TryGetValue(secretKey.Key, out byte[]? v) ? v : null;
            return value is not null ? Encoding.UTF8.GetString(value) : Missing("secret", secretKey.Name, secretKey.Key, secretKey.Optional, config.Secret(ns, secretKey.Name) is not null);
        }

        if (source.ConfigMapKeyRef is { } mapKey)
        {
            V1ConfigMap? map = config.ConfigMap(ns, mapKey.Name);
            return map?.Data is { } data && data.TryGetValue(mapKey.Key, out string? value)
                ? value
                : Missing("configmap", mapKey.Name, mapKey.Key, mapKey.Optional, map is not null);
        }

        throw new ConfigException("an environment variable's valueFrom must be fieldRef, resourceFieldRef, secretKeyRef or configMapKeyRef");
    }

    private static string? Missing(string kind, string name, string key, bool? optional, bool exists) =>
        optional == true ? null : throw new ConfigException(exists ? $"couldn't find key {key} in {kind} \"{name}\"" : $"{kind} \"{name}\" not found");
}
