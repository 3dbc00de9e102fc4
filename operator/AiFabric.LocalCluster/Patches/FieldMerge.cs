using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Schema;

namespace AiFabric.LocalCluster.Patches;

/// <summary>Lays an applied configuration over a live object, and takes away what an applier gave up.</summary>
internal static class FieldMerge
{
    /// <summary>The live object with the configuration's fields over its own.</summary>
    public static JsonObject Merge(JsonObject live, JsonObject config, SchemaNode? shape)
    {
        var result = live.Clone();
        foreach (var (name, value) in config)
            result[name] = MergeValue(result[name], value, shape?.Child(name));
        return result;
    }

    /// <summary>
    /// Removes, in place, the fields of <paramref name="last"/> that are not in <paramref name="now"/> and that nobody else owns.
    /// </summary>
    public static void Remove(JsonObject found, FieldSet last, FieldSet? now, FieldSet? others, SchemaNode? shape)
    {
        foreach (var (element, before) in last.Children)
        {
            if (element[0] != 'f')
                continue;
            var name = element[2..];
            var kept = now?.Children.GetValueOrDefault(element);
            var owned = others?.Children.GetValueOrDefault(element);
            if (kept is null && owned is null)
                found.Remove(name);
            else
                RemoveBelow(found[name], before, kept, owned, shape?.Child(name));
        }
    }

    private static void RemoveBelow(JsonNode? value, FieldSet last, FieldSet? now, FieldSet? others, SchemaNode? shape)
    {
        if (value is JsonObject map)
            Remove(map, last, now, others, shape);
        else if (value is JsonArray list && shape is { Merge: not ListMerge.Atomic })
            RemoveItems(list, last, now, others, shape);
    }

    private static void RemoveItems(JsonArray list, FieldSet last, FieldSet? now, FieldSet? others, SchemaNode shape)
    {
        foreach (var (element, before) in last.Children)
        {
            var item = list.FirstOrDefault(one => Fields.Element(shape, one) == element);
            if (item is null)
                continue;
            var kept = now?.Children.GetValueOrDefault(element);
            var owned = others?.Children.GetValueOrDefault(element);
            if (kept is null && owned is null)
                list.Remove(item);
            else
                RemoveBelow(item, before, kept, owned, shape.Items);
        }
    }

    private static JsonNode? MergeValue(JsonNode? live, JsonNode? config, SchemaNode? shape)
    {
        if (live is JsonObject map && config is JsonObject changes && Fields.IsGranular(shape))
            return Merge(map, changes, shape);
        if (live is JsonArray list && config is JsonArray items && Fields.IsAssociative(shape, list) && Fields.IsAssociative(shape, items))
            return MergeItems(list, items, shape!);
        return config?.DeepClone();
    }

    private static JsonArray MergeItems(JsonArray live, JsonArray config, SchemaNode shape)
    {
        var result = live.Select(item => item?.DeepClone()).ToList();
        foreach (var item in config)
        {
            var element = Fields.Element(shape, item);
            var at = result.FindIndex(one => Fields.Element(shape, one) == element);
            if (at < 0)
                result.Add(item?.DeepClone());
            else
                result[at] = MergeValue(result[at], item, shape.Items);
        }

        return new([.. result]);
    }
}
