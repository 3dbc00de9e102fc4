using AiFabric.LocalCluster.Controllers;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Containers;

/// <summary>Where a pod's Secrets and ConfigMaps are read.</summary>
internal interface IPodConfig
{
    V1Secret? Secret(string ns, string name);

    V1ConfigMap? ConfigMap(string ns, string name);

    bool HasClaim(string ns, string name);
}

/// <summary>Reads them from the API.</summary>
internal sealed class ApiPodConfig(TypedApi api) : IPodConfig
{
    public V1Secret? Secret(string ns, string name) => api.Get<V1Secret>(ns, name);

    public V1ConfigMap? ConfigMap(string ns, string name) => api.Get<V1ConfigMap>(ns, name);

    public bool HasClaim(string ns, string name) => api.Get<V1PersistentVolumeClaim>(ns, name) is not null;
}
