using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;
using k8s.Models;

namespace AiFabric.LocalCluster.Controllers.Garbage;

/// <summary>Deletes objects whose owners are gone, and carries out foreground and orphaning deletions. Watches every type, new ones too.</summary>
internal sealed class GarbageCollector(IClusterApi api, TimeProvider time, ILogger<GarbageCollector> logger) : BackgroundService
{
    private static readonly TimeSpan TypePoll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private readonly OwnerGraph _graph = new();
    private readonly WorkQueue<ItemRef> _queue = new(time);

    // Both event groups show the same objects, and events are never owned.
    private IEnumerable<ResourceType> CollectedTypes => api.Types.Where(t => t.Plural != "events").DistinctBy(t => (t.Group, t.Plural));

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Task.Run(() => WatchTypesAsync(stoppingToken), stoppingToken), Task.Run(() => WorkAsync(stoppingToken), stoppingToken));

    private async Task WatchTypesAsync(CancellationToken cancellationToken)
    {
        var watches = new Dictionary<ResourceType, (CancellationTokenSource Stop, Task Task)>();
        while (!cancellationToken.IsCancellationRequested)
        {
            ResourceType[] types = [.. CollectedTypes];
            foreach (ResourceType gone in watches.Keys.Except(types).ToList())
            {
                watches.Remove(gone, out (CancellationTokenSource Stop, Task Task) watch);
                await watch.Stop.CancelAsync();
                await watch.Task;
                watch.Stop.Dispose();
            }

            foreach (ResourceType type in types.Except(watches.Keys).ToList())
            {
                var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                var watch = new ObjectWatch(api, type, time, logger);
                watches[type] = (stop, Task.Run(() => watch.RunAsync((kind, item) => Note(type, kind, item), null, stop.Token), CancellationToken.None));
            }

            await Task.Delay(TypePoll, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(watches.Values.Select(w => w.Task));
    }

    private void Note(ResourceType type, ChangeKind kind, JsonObject item)
    {
        ObjectKey key = ObjectKey.Of(item);
        var self = new ItemRef(type, key.Namespace, key.Name);
        V1ObjectMeta metadata = TypedApi.Parse<V1ObjectMeta>((JsonObject)item["metadata"]!);
        if (kind == ChangeKind.Changed)
        {
            _graph.Set(self, [.. (metadata.OwnerReferences ?? []).Select(o => o.Uid)]);
            if (metadata.OwnerReferences?.Count > 0 || metadata.DeletionTimestamp is not null)
            {
                _queue.Add(self);
            }

            return;
        }

        _graph.Remove(self, metadata.Uid);
        foreach (ItemRef dependent in _graph.DependentsOf(metadata.Uid))
        {
            _queue.Add(dependent);
        }

        // An owner in foreground deletion may have waited for this one.
        foreach (ItemRef owner in (metadata.OwnerReferences ?? []).Select(o => Locate(self, o)).OfType<ItemRef>())
        {
            _queue.Add(owner);
        }
    }

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            ItemRef item = await _queue.TakeAsync(cancellationToken);
            try
            {
                Collect(item);
            }
            catch (ApiException gone) when (gone.Code == 404)
            {
                // Deleted meanwhile.
            }
#pragma warning disable CA1031 // loop top: one bad object must not stop the others
            catch (Exception failure)
#pragma warning restore CA1031
            {
                Log.ReconcileFailed(logger, nameof(GarbageCollector), item.Namespace, item.Name, failure);
                _queue.AddAfter(item, Retry);
            }
        }
    }

    private void Collect(ItemRef item)
    {
        if (api.Get(item.Type, item.NamespaceOrNull, item.Name) is not { } live)
        {
            return;
        }

        V1ObjectMeta metadata = TypedApi.Parse<V1ObjectMeta>((JsonObject)live["metadata"]!);
        if (metadata.DeletionTimestamp is not null)
        {
            Finish(item, metadata);
            return;
        }

        Dictionary<string, OwnerState> owners = (metadata.OwnerReferences ?? []).DistinctBy(o => o.Uid).ToDictionary(o => o.Uid, o => StateOf(item, o));
        switch (GarbageRules.Decide(owners.Values))
        {
            case GarbageVerdict.DropGoneReferences:
                KeepReferences(item, live, uid => owners[uid] != OwnerState.Gone);
                break;
            case GarbageVerdict.DeleteInBackground:
                api.Delete(item.Type, item.NamespaceOrNull, item.Name, new DeleteRequest { Uid = metadata.Uid, PropagationPolicy = "Background" });
                Log.Collected(logger, item.Type.Plural, item.Namespace, item.Name);
                break;
            case GarbageVerdict.DeleteInForeground:
                api.Delete(item.Type, item.NamespaceOrNull, item.Name, new DeleteRequest { Uid = metadata.Uid, PropagationPolicy = "Foreground" });
                break;
        }
    }

    private void Finish(ItemRef item, V1ObjectMeta metadata)
    {
        if (metadata.Finalizers?.Contains(GarbageRules.OrphanFinalizer) == true)
        {
            ReleaseDependents(item, metadata.Uid);
            DropFinalizer(item, metadata.Uid, GarbageRules.OrphanFinalizer);
        }
        else if (metadata.Finalizers?.Contains(GarbageRules.ForegroundFinalizer) == true)
        {
            IReadOnlyList<ItemRef> dependents = _graph.DependentsOf(metadata.Uid);
            foreach (ItemRef dependent in dependents)
            {
                _queue.Add(dependent);
            }

            if (!dependents.Any(d => Blocks(d, metadata.Uid)))
            {
                DropFinalizer(item, metadata.Uid, GarbageRules.ForegroundFinalizer);
            }
        }
    }

    // Asks for them instead of the graph: their types' watches may be behind the owner's, and what is missed here is garbage when the owner is gone.
    private void ReleaseDependents(ItemRef owner, string uid)
    {
        foreach (ResourceType type in CollectedTypes.Where(type => type.Namespaced || !owner.Type.Namespaced))
        {
            foreach (JsonObject dependent in api.List(type, owner.NamespaceOrNull).Items.Where(item => OwnersOf(item).Contains(uid)))
            {
                ObjectKey key = ObjectKey.Of(dependent);
                KeepReferences(new ItemRef(type, key.Namespace, key.Name), dependent, other => other != uid);
            }
        }
    }

    private static IEnumerable<string?> OwnersOf(JsonObject item) =>
        (item["metadata"]?["ownerReferences"] as JsonArray ?? []).Select(owner => owner?["uid"]?.GetValue<string>());

    private bool Blocks(ItemRef dependent, string ownerUid) =>
        api.Get(dependent.Type, dependent.NamespaceOrNull, dependent.Name)?["metadata"]?["ownerReferences"] is JsonArray owners
        && owners.Any(o => o?["uid"]?.GetValue<string>() == ownerUid && o["blockOwnerDeletion"]?.GetValue<bool>() == true);

    private OwnerState StateOf(ItemRef child, V1OwnerReference reference)
    {
        if (_graph.IsGone(reference.Uid))
        {
            return OwnerState.Gone;
        }

        // A type that is not served tells nothing: keep the object.
        if (Locate(child, reference) is not { } owner)
        {
            return OwnerState.Exists;
        }

        JsonNode? metadata = api.Get(owner.Type, owner.NamespaceOrNull, owner.Name)?["metadata"];
        if (metadata?["uid"]?.GetValue<string>() != reference.Uid)
        {
            return OwnerState.Gone;
        }

        bool waits = metadata["deletionTimestamp"] is not null && metadata["finalizers"] is JsonArray finalizers
            && finalizers.Any(f => f?.GetValue<string>() == GarbageRules.ForegroundFinalizer);
        return waits ? OwnerState.WaitsForDependents : OwnerState.Exists;
    }

    private ItemRef? Locate(ItemRef child, V1OwnerReference reference)
    {
        string[] parts = reference.ApiVersion.Split('/');
        string group = parts.Length == 2 ? parts[0] : "";
        ResourceType? type = api.Types.FirstOrDefault(t => t.Group == group && t.Kind == reference.Kind);
        return type is null ? null : new ItemRef(type, type.Namespaced ? child.Namespace : "", reference.Name);
    }

    private void KeepReferences(ItemRef item, JsonObject live, Func<string, bool> keep)
    {
        JsonNode metadata = live["metadata"]!;
        JsonNode?[] kept = [.. ((JsonArray)metadata["ownerReferences"]!).Where(o => keep(o!["uid"]!.GetValue<string>())).Select(o => o!.DeepClone())];
        if (kept.Length > 0)
            metadata["ownerReferences"] = new JsonArray(kept);
        else
            ((JsonObject)metadata).Remove("ownerReferences");
        api.Update(item.Type, item.NamespaceOrNull, item.Name, live);
    }

    private void DropFinalizer(ItemRef item, string uid, string finalizer)
    {
        if (api.Get(item.Type, item.NamespaceOrNull, item.Name) is { } live && live["metadata"]!["uid"]?.GetValue<string>() == uid)
        {
            var left = ((JsonArray)live["metadata"]!["finalizers"]!).Select(f => f!.GetValue<string>()).Where(f => f != finalizer);
            live["metadata"]!["finalizers"] = new JsonArray([.. left.Select(f => (JsonNode)f)]);
            api.Update(item.Type, item.NamespaceOrNull, item.Name, live);
        }
    }
}
