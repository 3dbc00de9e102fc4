using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Schema;
using AiFabric.LocalCluster.Storage;

namespace AiFabric.LocalCluster.Patches;

/// <summary>
/// Server-side apply: (1) what the configuration sets becomes the manager's fields (2) it is laid over the live object (3) what the manager
/// set before and no longer does goes, unless others own it (4) changes to others' fields are conflicts, or with force change hands.
/// </summary>
internal sealed class ServerSideApply(ObjectStore store, ObjectWriter writer, TimeProvider clock)
{
    /// <summary>Applies a configuration.</summary>
    /// <returns>The object as stored, and whether it is new.</returns>
    /// <exception cref="ApiException">409 when the configuration changes fields that other managers own, and as for other writes.</exception>
    public (JsonObject Object, bool Created) Apply(
        TypeEntry entry, string? ns, string name, JsonObject config, string? subresource, bool force, WriteOptions options)
    {
        if (config.Items("metadata", "managedFields") is { Count: > 0 })
            throw ApiException.BadRequest("metadata.managedFields must be nil");
        var wanted = Reduce(entry, config, subresource);
        SchemaAdmission.Prune(entry, wanted, options);
        var owner = new Owner(options.FieldManager, "Apply", entry.Type.ApiVersion, subresource);
        var fields = Fields.Of(wanted, entry.Shape);
        var now = ObjectWriter.Timestamp(clock.GetUtcNow());
        var silent = options with { OwnershipDone = true };
        lock (store.Gate)
        {
            if (store.Find(EventShapes.Stored(entry.Type), ns, name) is null)
            {
                if (subresource is not null)
                    throw ApiException.NotFound(entry.Type, name);
                wanted.Ensure("metadata")["name"] ??= name;
                var managed = ManagedFields.Read([]);
                managed.Grant(owner, fields, replace: true, now);
                managed.Write(wanted);
                return (writer.Create(entry.Type, ns, wanted, silent), true);
            }

            return (writer.Change(entry.Type, ns, name, live => MergeInto(entry, live, wanted, fields, owner, force, now), subresource, silent), false);
        }
    }

    private static JsonObject MergeInto(
        TypeEntry entry, JsonObject live, JsonObject wanted, FieldSet fields, Owner owner, bool force, string now)
    {
        var managed = ManagedFields.Read(live);
        var merged = FieldMerge.Merge(live, wanted, entry.Shape);
        FieldMerge.Remove(merged, managed.Of(owner), fields, managed.Others(owner), entry.Shape);
        var (changed, removed) = Fields.Compare(live, merged, entry.Shape);
        var conflicts = managed.Conflicts(owner, changed);
        if (conflicts.Count > 0 && !force)
            throw Conflict(conflicts);
        managed.Release(changed, removed, except: owner);
        managed.Grant(owner, fields, replace: true, now);
        managed.Write(merged);
        return merged;
    }

    /// <summary>The part of a configuration that an endpoint takes: all but status, or status alone.</summary>
    private static JsonObject Reduce(TypeEntry entry, JsonObject config, string? subresource)
    {
        var wanted = config.Clone();
        wanted.Map("metadata")?.Remove("managedFields");
        if (subresource is null)
        {
            if (entry.HasStatus)
                wanted.Remove("status");
            return wanted;
        }

        var metadata = new JsonObject();
        foreach (var field in (string[])["name", "namespace", "uid", "resourceVersion"])
        {
            if (config.Field("metadata", field) is { } value)
                metadata[field] = value.DeepClone();
        }

        return new()
        {
            ["apiVersion"] = wanted["apiVersion"]?.DeepClone(),
            ["kind"] = wanted["kind"]?.DeepClone(),
            ["metadata"] = metadata,
            [subresource] = wanted[subresource]?.DeepClone(),
        };
    }

    private static ApiException Conflict(IReadOnlyList<(Owner Owner, FieldSet Fields)> conflicts)
    {
        static string With(Owner owner) => $"\"{owner.Manager}\""
            + (string.IsNullOrEmpty(owner.Subresource) ? "" : $" with subresource \"{owner.Subresource}\"") + (owner.Operation == "Update" ? $" using {owner.ApiVersion}" : "");
        var all = conflicts.SelectMany(pair => pair.Fields.Paths().Select(path => (pair.Owner, Path: path))).ToArray();
        var causes = all.Select(one => new StatusCause("FieldManagerConflict", $"conflict with {With(one.Owner)}", one.Path)).ToArray();
        var text = all.Length == 1
            ? $"Apply failed with 1 conflict: conflict with {With(all[0].Owner)}: {all[0].Path}"
            : $"Apply failed with {all.Length} conflicts: " + string.Join('\n', conflicts.Select(pair =>
                $"conflicts with {With(pair.Owner)}:\n{string.Join('\n', pair.Fields.Paths().Select(path => "- " + path))}"));
        return ApiException.ApplyConflict(text, causes);
    }
}
