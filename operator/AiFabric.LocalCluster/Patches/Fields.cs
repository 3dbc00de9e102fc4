using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Schema;

namespace AiFabric.LocalCluster.Patches;

/// <summary>Which fields an object has, and which differ between two versions of it, as sets that managers can own.</summary>
internal static class Fields
{
    /// <summary>Fields that no manager owns: the server sets them.</summary>
    private static readonly HashSet<string> System = new(StringComparer.Ordinal)
    {
        "apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid", "metadata.resourceVersion", "metadata.generation",
        "metadata.creationTimestamp", "metadata.deletionTimestamp", "metadata.deletionGracePeriodSeconds", "metadata.managedFields",
        "metadata.selfLink", "metadata.generateName",
    };

    /// <summary>All fields that an object sets.</summary>
    public static FieldSet Of(JsonObject found, SchemaNode? shape) => Strip(Collect(found, shape, containers: false));

    /// <summary>What changed or came, and what went, from one version to the next.</summary>
    public static (FieldSet Changed, FieldSet Removed) Compare(JsonObject before, JsonObject after, SchemaNode? shape)
    {
        var (changed, removed) = (new FieldSet(), new FieldSet());
        CompareMaps(before, after, shape, changed, removed);
        return (Strip(changed), Strip(removed));
    }

    /// <summary>Whether a list's items have identities by which they merge.</summary>
    public static bool IsAssociative(SchemaNode? shape, JsonArray list) => shape?.Merge switch
    {
        ListMerge.Map => list.All(item => item is JsonObject),
        ListMerge.Set => true,
        _ => false,
    };

    /// <summary>Whether a map's fields are owned one by one.</summary>
    public static bool IsGranular(SchemaNode? shape) => shape is not { AtomicMap: true };

    /// <summary>The path element of a list item.</summary>
    public static string Element(SchemaNode shape, JsonNode? item)
    {
        if (shape.Merge == ListMerge.Set)
            return "v:" + (item?.ToJsonString() ?? "null");
        var keys = shape.ListKeys.Order(StringComparer.Ordinal)
            .Select(key => KeyValuePair.Create(key, (item as JsonObject)?[key]?.DeepClone() ?? DefaultKey(shape, key)))
            .Where(pair => pair.Value is not null);
        return "k:" + new JsonObject(keys).ToJsonString();
    }

    private static JsonNode? DefaultKey(SchemaNode shape, string key) =>
        // The one key with a default in built-in types; custom schemas name theirs.
        shape.Items?.Child(key)?.Default?.DeepClone() ?? (key == "protocol" ? JsonValue.Create("TCP") : null);

    private static FieldSet Collect(JsonNode? value, SchemaNode? shape, bool containers)
    {
        var set = new FieldSet();
        switch (value)
        {
            case JsonObject { Count: > 0 } map when IsGranular(shape):
                // Built-in structures are always there; what a custom resource holds comes and goes.
                set.Member = containers && (shape?.Values is not null || shape is { Name: null });
                foreach (var (name, below) in map)
                    set.Children["f:" + name] = Collect(below, shape?.Child(name), containers);
                break;
            case JsonArray { Count: > 0 } list when IsAssociative(shape, list):
                set.Member = containers;
                foreach (var item in list)
                {
                    var child = shape!.Merge == ListMerge.Map ? Collect(item, shape.Items, containers) : new FieldSet();
                    child.Member = true;
                    set.Children[Element(shape, item)] = child;
                }

                break;
            default:
                set.Member = true;
                break;
        }

        return set;
    }

    private static void CompareMaps(JsonObject before, JsonObject after, SchemaNode? shape, FieldSet changed, FieldSet removed)
    {
        foreach (var name in before.Select(pair => pair.Key).Union(after.Select(pair => pair.Key)))
        {
            var (had, has) = (before.TryGetPropertyValue(name, out var old), after.TryGetPropertyValue(name, out var now));
            CompareValues(had, old, has, now, shape?.Child(name), "f:" + name, changed, removed);
        }
    }

    private static void CompareValues(
        bool had, JsonNode? old, bool has, JsonNode? now, SchemaNode? shape, string element, FieldSet changed, FieldSet removed)
    {
        if (!has)
        {
            Place(removed, element, Everything(old, shape));
        }
        else if (!had)
        {
            Place(changed, element, Collect(now, shape, containers: true));
        }
        else if (JsonNode.DeepEquals(old, now))
        {
            return;
        }
        else if (old is JsonObject oldMap && now is JsonObject map && IsGranular(shape))
        {
            var (below, gone) = (new FieldSet(), new FieldSet());
            CompareMaps(oldMap, map, shape, below, gone);
            Place(changed, element, below);
            Place(removed, element, gone);
        }
        else if (old is JsonArray oldList && now is JsonArray list && IsAssociative(shape, oldList) && IsAssociative(shape, list))
        {
            var (below, gone) = (new FieldSet(), new FieldSet());
            CompareLists(oldList, list, shape!, below, gone);
            Place(changed, element, below);
            Place(removed, element, gone);
        }
        else
        {
            Place(changed, element, new() { Member = true });
        }
    }

    private static void CompareLists(JsonArray before, JsonArray after, SchemaNode shape, FieldSet changed, FieldSet removed)
    {
        Dictionary<string, JsonNode?> ByElement(JsonArray list) =>
            list.DistinctBy(item => Element(shape, item)).ToDictionary(item => Element(shape, item), StringComparer.Ordinal);
        var (old, now) = (ByElement(before), ByElement(after));
        foreach (var element in old.Keys.Union(now.Keys))
        {
            var (had, has) = (old.TryGetValue(element, out var one), now.TryGetValue(element, out var two));
            CompareValues(had, one, has, two, shape.Items, element, changed, removed);
            if (has && !had)
                changed.At(element).Member = true;
        }
    }

    /// <summary>Every place in a value, containers too: when it goes, nobody owns any of it.</summary>
    private static FieldSet Everything(JsonNode? value, SchemaNode? shape)
    {
        var set = Collect(value, shape, containers: true);
        MarkAll(set);
        return set;
    }

    private static void MarkAll(FieldSet set)
    {
        set.Member = true;
        foreach (var child in set.Children.Values)
            MarkAll(child);
    }

    private static void Place(FieldSet into, string element, FieldSet what)
    {
        if (!what.IsEmpty)
            into.Children[element] = what;
    }

    private static FieldSet Strip(FieldSet set)
    {
        foreach (var path in System)
        {
            var parts = path.Split('.');
            if (parts.Length == 1)
                set.Children.Remove("f:" + parts[0]);
            else if (set.Children.TryGetValue("f:" + parts[0], out var parent))
                parent.Children.Remove("f:" + parts[1]);
        }

        if (set.Children.TryGetValue("f:metadata", out var metadata) && metadata.Children.Count == 0)
            set.Children.Remove("f:metadata");
        return set;
    }
}
