using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Patches;

/// <summary>The entries of <c>metadata.managedFields</c>: which manager owns which fields, through which operation.</summary>
internal sealed class ManagedFields
{
    private readonly List<Entry> _entries;

    private ManagedFields(List<Entry> entries) => _entries = entries;

    public static ManagedFields Read(JsonObject found) => new(
        [.. (found.Items("metadata", "managedFields")?.OfType<JsonObject>() ?? [])
            .Where(entry => entry.Text("manager") is not null)
            .Select(Entry.FromJson)]);

    /// <summary>Records what a create or update changed. A changed field belongs to the writer alone, a removed one to nobody.</summary>
    public static void Track(TypeEntry entry, JsonObject next, JsonObject? current, string? subresource, WriteOptions options, string now)
    {
        var (changed, removed) = Fields.Compare(current ?? [], next, entry.Shape);
        // A client may rewrite managedFields (kubectl does when it moves to server-side apply); leaving them out keeps them.
        var source = next.Items("metadata", "managedFields") is not null || current is null ? next : current;
        var managed = Read(source);
        managed.Release(changed, removed, except: null);
        managed.Grant(new(options.FieldManager, "Update", entry.Type.ApiVersion, subresource), changed, replace: false, now);
        managed.Write(next);
    }

    public FieldSet Of(Owner owner) => Find(owner)?.Set ?? new();

    /// <summary>The fields of all managers but one.</summary>
    public FieldSet Others(Owner owner) =>
        _entries.Where(entry => !entry.Is(owner)).Aggregate(new FieldSet(), (all, entry) => all.Union(entry.Set));

    /// <summary>For every other manager, which of the fields it owns.</summary>
    public IReadOnlyList<(Owner Owner, FieldSet Fields)> Conflicts(Owner owner, FieldSet changed) =>
        [.. _entries.Where(entry => !entry.Is(owner))
            .Select(entry => (entry.Owner, Fields: entry.Set.Intersect(changed)))
            .Where(pair => !pair.Fields.IsEmpty)];

    /// <summary>Takes fields away from all managers (removed ones also from <paramref name="except"/>).</summary>
    public void Release(FieldSet changed, FieldSet removed, Owner? except)
    {
        foreach (var entry in _entries)
            entry.Set = (except is not null && entry.Is(except) ? entry.Set : entry.Set.Except(changed)).Except(removed);
    }

    /// <summary>Gives fields to a manager: in addition to those it has, or instead of them.</summary>
    public void Grant(Owner owner, FieldSet fields, bool replace, string now)
    {
        var entry = Find(owner);
        if (entry is null)
        {
            if (!fields.IsEmpty)
                _entries.Add(new(owner, fields, now));
            return;
        }

        var next = replace ? fields : entry.Set.Union(fields);
        if (!next.SameAs(entry.Set) || fields is { IsEmpty: false } && !replace)
            entry.Time = now;
        entry.Set = next;
        entry.Owner = owner;
    }

    /// <summary>Writes the entries that own something into an object.</summary>
    public void Write(JsonObject found)
    {
        var entries = _entries.Where(entry => !entry.Set.IsEmpty)
            .OrderBy(entry => entry.Owner.Operation, StringComparer.Ordinal).ThenBy(entry => entry.Time, StringComparer.Ordinal)
            .ThenBy(entry => entry.Owner.Manager, StringComparer.Ordinal).Select(entry => (JsonNode)entry.ToJson()).ToArray();
        var metadata = found.Ensure("metadata");
        if (entries.Length > 0)
            metadata["managedFields"] = new JsonArray(entries);
        else
            metadata.Remove("managedFields");
    }

    private Entry? Find(Owner owner) => _entries.Find(entry => entry.Is(owner));

    private sealed class Entry(Owner owner, FieldSet set, string? time)
    {
        public Owner Owner { get; set; } = owner;

        public FieldSet Set { get; set; } = set;

        public string? Time { get; set; } = time;

        public static Entry FromJson(JsonObject entry) => new(
            new(entry.Text("manager")!, entry.Text("operation") ?? "Update", entry.Text("apiVersion") ?? "", entry.Text("subresource")),
            FieldSet.FromJson(entry.Map("fieldsV1")),
            entry.Text("time"));

        public bool Is(Owner other) =>
            (Owner.Manager, Owner.Operation, Owner.Subresource ?? "") == (other.Manager, other.Operation, other.Subresource ?? "");

        public JsonObject ToJson()
        {
            var made = new JsonObject
            {
                ["manager"] = Owner.Manager,
                ["operation"] = Owner.Operation,
                ["apiVersion"] = Owner.ApiVersion,
                ["fieldsType"] = "FieldsV1",
                ["fieldsV1"] = Set.ToJson(),
            };
            if (Time is not null)
                made["time"] = Time;
            if (!string.IsNullOrEmpty(Owner.Subresource))
                made["subresource"] = Owner.Subresource;
            return made;
        }
    }
}

/// <summary>Who owns fields, and through what.</summary>
/// <param name="Manager">The client's name for itself.</param>
/// <param name="Operation">Apply or Update.</param>
/// <param name="ApiVersion">The version of the object it wrote.</param>
/// <param name="Subresource">The subresource it wrote through, or null.</param>
internal sealed record Owner(string Manager, string Operation, string ApiVersion, string? Subresource);
