using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Storage;

namespace AiFabric.LocalCluster.Registry;

/// <summary>Deletes objects: at once, or in two steps when a finalizer or a running pod stands in the way.</summary>
internal sealed class ObjectRemover(ObjectStore store, TypeRegistry types, TimeProvider clock)
{
    /// <summary>Namespaces that every cluster has: without them hardly anything can be made until the next start.</summary>
    private static readonly string[] Immortal = ["default", "kube-system", "kube-public"];

    /// <summary>Whether nothing holds an object that is being deleted any more.</summary>
    public static bool IsReleased(ResourceType type, JsonObject found)
    {
        if (found.Text("metadata", "deletionTimestamp") is null || found.Items("metadata", "finalizers") is { Count: > 0 })
            return false;
        if (type.Resource == BuiltInTypes.Pods.Resource)
            return (found.Whole("metadata", "deletionGracePeriodSeconds") ?? 0) == 0;
        return type.Resource != BuiltInTypes.Namespaces.Resource || found.Items("spec", "finalizers") is not { Count: > 0 };
    }

    public JsonObject Delete(ResourceType type, string? ns, string name, DeleteRequest request)
    {
        lock (store.Gate)
        {
            var entry = types.Require(type);
            if (type.Resource == BuiltInTypes.Namespaces.Resource && Immortal.Contains(name))
                throw ApiException.Forbidden(type, name, "this namespace may not be deleted");
            var stored = store.Find(EventShapes.Stored(type), ns, name) ?? throw ApiException.NotFound(type, name);
            var found = ClusterApi.Materialize(type, stored.Body);
            CheckPreconditions(type, name, found, request);
            var untouched = found.Clone();
            var changed = Mark(entry, found, request);
            if (request.DryRun)
                return found;
            // What goes at once goes as it was; a pod's last state carries its grace period.
            if (IsReleased(type, found))
                return Remove(type, ns, name, type.Resource == BuiltInTypes.Pods.Resource ? found : untouched);
            if (!changed)
                return found;
            var kept = store.Put(EventShapes.Stored(type), ns, name, EventShapes.ForStorage(type, found));
            return ClusterApi.Materialize(type, kept.Body);
        }
    }

    /// <summary>Removes an object that nothing holds.</summary>
    public JsonObject Remove(ResourceType type, string? ns, string name, JsonObject last)
    {
        store.Remove(EventShapes.Stored(type), ns, name, EventShapes.ForStorage(type, last.Clone()));
        if (type.Resource == BuiltInTypes.Definitions.Resource)
        {
            RemoveInstances(last);
            types.Load(store.List(BuiltInTypes.Definitions.Resource, null).Items.Select(stored => JsonObject.Create(stored.Body)!));
        }

        return last;
    }

    private static void CheckPreconditions(ResourceType type, string name, JsonObject found, DeleteRequest request)
    {
        if (request.Uid is { Length: > 0 } uid && uid != found.Text("metadata", "uid"))
        {
            throw ApiException.Conflict(
                type, name, $"Precondition failed: UID in precondition: {uid}, UID in object meta: {found.Text("metadata", "uid")}");
        }

        if (request.ResourceVersion is { Length: > 0 } version && version != found.Text("metadata", "resourceVersion"))
            throw ApiException.StaleVersion(type, name);
    }

    /// <summary>Sets the deletion marks in place; tells whether anything changed.</summary>
    private bool Mark(TypeEntry entry, JsonObject found, DeleteRequest request)
    {
        var metadata = found.Ensure("metadata");
        var grace = GraceSeconds(entry.Type, found, request);
        var changed = false;
        if (metadata.Text("deletionTimestamp") is null)
        {
            AddFinalizer(metadata, request.PropagationPolicy);
            metadata["deletionTimestamp"] = ObjectWriter.Timestamp(clock.GetUtcNow() + TimeSpan.FromSeconds(grace));
            metadata["deletionGracePeriodSeconds"] = grace;
            if (Generations.Counts(entry))
                metadata["generation"] = (metadata.Whole("generation") ?? 0) + 1;
            if (entry.Type.Resource == BuiltInTypes.Namespaces.Resource)
                found.Ensure("status")["phase"] = "Terminating";
            changed = true;
        }
        else if (grace < (metadata.Whole("deletionGracePeriodSeconds") ?? 0))
        {
            // A later request may only shorten the grace period; 0 is the node's word that the pod is gone.
            metadata["deletionTimestamp"] = ObjectWriter.Timestamp(clock.GetUtcNow() + TimeSpan.FromSeconds(grace));
            metadata["deletionGracePeriodSeconds"] = grace;
            changed = true;
        }

        return changed;
    }

    private static void AddFinalizer(JsonObject metadata, string? policy)
    {
        var finalizer = policy switch { "Orphan" => "orphan", "Foreground" => "foregroundDeletion", _ => null };
        if (finalizer is null)
            return;
        var list = metadata.Items("finalizers") ?? [];
        if (!list.Any(item => item?.ToString() == finalizer))
            list.Add(finalizer);
        metadata["finalizers"] = list.DeepClone();
    }

    private static long GraceSeconds(ResourceType type, JsonObject found, DeleteRequest request)
    {
        if (type.Resource != BuiltInTypes.Pods.Resource)
            return 0;
        // A pod that no node has, or that has ended, needs no time to stop.
        if (string.IsNullOrEmpty(found.Text("spec", "nodeName")) || found.Text("status", "phase") is "Succeeded" or "Failed")
            return 0;
        return request.GracePeriodSeconds ?? found.Whole("spec", "terminationGracePeriodSeconds") ?? 30;
    }

    private void RemoveInstances(JsonObject definition)
    {
        var resource = $"{definition.Text("spec", "names", "plural")}.{definition.Text("spec", "group")}";
        foreach (var stored in store.List(resource, null).Items)
            store.Remove(resource, stored.Namespace, stored.Name, JsonObject.Create(stored.Body)!.Clone());
    }
}
