using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;
using k8s;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Services;

/// <summary>Service and its pods → Endpoints and EndpointSlices.</summary>
internal sealed class EndpointsController(IClusterApi api, TimeProvider time, ILogger<EndpointsController> logger) : Controller(api, time, logger)
{
    public const string ServiceLabel = "kubernetes.io/service-name";
    public const string ManagedByLabel = "endpointslice.kubernetes.io/managed-by";
    public const string ManagedBy = "endpointslice-controller.k8s.io";

    private readonly IClusterApi _api = api;

    protected override IReadOnlyList<WatchedType> Watches =>
    [
        new("", "services", item => [ObjectKey.Of(item)]),
        new("", "pods", ServicesNear),
    ];

    protected override TimeSpan? Reconcile(ObjectKey key)
    {
        // A service without selector is served by endpoints that its owner writes.
        if (Api.Get<V1Service>(key.Namespace, key.Name) is not { Metadata.DeletionTimestamp: null, Spec.Selector.Count: > 0 } service)
        {
            return null;
        }

        EndpointsPlan plan = EndpointsPlanner.Plan(service, Api.List<V1Pod>(key.Namespace));
        Write(EndpointsOf(service, plan), "subsets");
        foreach (V1EndpointSlice slice in plan.Slices)
        {
            Write(slice, "ports", "endpoints");
        }

        foreach (V1EndpointSlice stale in Api.List<V1EndpointSlice>(key.Namespace, $"{ServiceLabel}={key.Name},{ManagedByLabel}={ManagedBy}"))
        {
            if (plan.Slices.All(s => s.Metadata.Name != stale.Metadata.Name))
            {
                Api.Delete(stale);
            }
        }

        return null;
    }

    private static V1Endpoints EndpointsOf(V1Service service, EndpointsPlan plan) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = service.Metadata.Name,
            NamespaceProperty = service.Metadata.NamespaceProperty,
            Labels = service.Metadata.Labels,
            OwnerReferences = [TypedApi.ControllerReference(service)],
        },
        Subsets = plan.Subsets.Count == 0 ? null : [.. plan.Subsets],
    };

    private void Write<T>(T wanted, params ReadOnlySpan<string> fields)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        if (Api.Get<T>(wanted.Metadata.NamespaceProperty, wanted.Metadata.Name) is null)
        {
            Api.Create(wanted);
            return;
        }

        JsonObject content = TypedApi.ToJson(wanted);
        string[] names = fields.ToArray();
        Api.Modify<T>(wanted.Metadata.NamespaceProperty, wanted.Metadata.Name, item =>
        {
            item["metadata"]!["ownerReferences"] = content["metadata"]!["ownerReferences"]!.DeepClone();
            foreach (string field in names)
            {
                item[field] = content[field]?.DeepClone();
            }
        });
    }

    // Labels may have been taken off a pod, so every service of its namespace is looked at; that costs a read and no write.
    private IEnumerable<ObjectKey> ServicesNear(JsonObject pod) =>
        _api.List(Api.TypeOf<V1Service>(), ObjectKey.Of(pod).Namespace).Items.Select(ObjectKey.Of);
}
