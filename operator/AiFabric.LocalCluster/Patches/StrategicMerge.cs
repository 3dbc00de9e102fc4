using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Schema;

namespace AiFabric.LocalCluster.Patches;

/// <summary>
/// Strategic merge patch for built-in kinds: maps merge, lists with a merge key merge item by item, other lists are replaced; the
/// directives <c>$patch</c>, <c>$deleteFromPrimitiveList/x</c>, <c>$setElementOrder/x</c> and <c>$retainKeys</c> are obeyed.
/// </summary>
internal static class StrategicMerge
{
    private const string Directive = "$patch";
    private const string DeleteFrom = "$deleteFromPrimitiveList/";
    private const string Order = "$setElementOrder/";
    private const string Retain = "$retainKeys";

    /// <summary>The patched copy of an object.</summary>
    public static JsonObject Apply(JsonObject target, JsonObject patch, SchemaNode? shape) => MergeMap(target, patch, shape);

    private static JsonObject MergeMap(JsonObject? target, JsonObject patch, SchemaNode? shape)
    {
        var result = patch.Text(Directive) == "replace" ? [] : target?.Clone() ?? [];
        if (patch.Items(Retain) is { } retained)
        {
            foreach (var name in result.Select(pair => pair.Key).Except(retained.Select(one => one!.ToString())).ToArray())
                result.Remove(name);
        }

        foreach (var (name, change) in patch)
        {
            if (name.StartsWith(DeleteFrom, StringComparison.Ordinal))
                DeleteValues(result, name[DeleteFrom.Length..], change as JsonArray);
            else if (name[0] == '$')
                continue;
            else if (change is null || change.Text(Directive) == "delete")
                result.Remove(name);
            else
                result[name] = Merge(result[name], change, shape?.Child(name), patch.Items(Order + name));
        }

        foreach (var (name, order) in patch.Where(pair => pair.Key.StartsWith(Order, StringComparison.Ordinal)))
        {
            var field = name[Order.Length..];
            if (!patch.ContainsKey(field) && result[field] is JsonArray list)
                result[field] = Arrange(list, order as JsonArray, shape?.Child(field)?.PatchKey);
        }

        return result;
    }

    private static JsonNode? Merge(JsonNode? target, JsonNode change, SchemaNode? shape, JsonArray? order) => change switch
    {
        JsonObject map => MergeMap(target as JsonObject, map, shape),
        JsonArray list when shape is { PatchKey: { } key } => MergeList(target as JsonArray, list, key, shape.Items, order),
        JsonArray list when shape is { Merge: ListMerge.Set } => MergeSet(target as JsonArray, list, order),
        _ => change.DeepClone(),
    };

    private static JsonArray MergeList(JsonArray? target, JsonArray patch, string key, SchemaNode? item, JsonArray? order)
    {
        var result = patch.Any(one => one.Text(Directive) == "replace")
            ? []
            : (target?.OfType<JsonObject>() ?? []).Select(one => one.Clone()).ToList();
        foreach (var change in patch.OfType<JsonObject>())
        {
            if (change.Text(Directive) == "replace" && change.Count == 1)
                continue;
            var at = result.FindIndex(one => JsonNode.DeepEquals(one[key], change[key]));
            if (change.Text(Directive) == "delete")
                result.RemoveAll(one => JsonNode.DeepEquals(one[key], change[key]));
            else if (at >= 0)
                result[at] = MergeMap(result[at], change, item);
            else
                result.Add(MergeMap(null, change, item));
        }

        return order is null ? NewFirst(result, target, patch, key) : Arrange(new([.. result]), order, key);
    }

    /// <summary>Without an order of its own, a patch's new items come before what they meet in the list, as real servers put them.</summary>
    private static JsonArray NewFirst(List<JsonObject> merged, JsonArray? target, JsonArray patch, string key)
    {
        int At(JsonArray? list, JsonObject item) => list?.ToList().FindIndex(one => JsonNode.DeepEquals(one.Field(key), item[key])) ?? -1;
        var patched = new Queue<JsonObject>(merged.Where(item => At(patch, item) >= 0).OrderBy(item => At(patch, item)));
        var kept = new Queue<JsonObject>(merged.Where(item => At(patch, item) < 0));
        var result = new JsonArray();
        while (patched.Count + kept.Count > 0)
        {
            var keepFirst = patched.Count == 0 || (kept.Count > 0 && At(target, patched.Peek()) >= 0 && At(target, kept.Peek()) < At(target, patched.Peek()));
            result.Add((JsonNode)(keepFirst ? kept : patched).Dequeue());
        }

        return result;
    }

    private static JsonArray MergeSet(JsonArray? target, JsonArray patch, JsonArray? order)
    {
        var result = (JsonArray?)target?.DeepClone() ?? [];
        foreach (var value in patch)
        {
            if (!result.Any(one => JsonNode.DeepEquals(one, value)))
                result.Add(value?.DeepClone());
        }

        return Arrange(result, order, null);
    }

    private static void DeleteValues(JsonObject result, string field, JsonArray? values)
    {
        if (result[field] is not JsonArray list || values is null)
            return;
        var kept = list.Where(one => !values.Any(value => JsonNode.DeepEquals(one, value))).Select(one => one?.DeepClone());
        result[field] = new JsonArray([.. kept]);
    }

    /// <summary>Puts the items that an order names into that order; the others keep their places behind the item they followed.</summary>
    private static JsonArray Arrange(JsonArray list, JsonArray? order, string? key)
    {
        if (order is null)
            return list;
        int Rank(JsonNode? item)
        {
            for (var i = 0; i < order.Count; i++)
            {
                if (key is null ? JsonNode.DeepEquals(order[i], item) : JsonNode.DeepEquals(order[i].Field(key), item.Field(key)))
                    return i;
            }

            return -1;
        }

        var rank = -1;
        var ranked = new List<(int Rank, JsonNode? Item)>();
        foreach (var item in list)
        {
            rank = Rank(item) is >= 0 and var found ? found : rank;
            ranked.Add((rank, item?.DeepClone()));
        }

        return new([.. ranked.OrderBy(pair => pair.Rank).Select(pair => pair.Item)]);
    }
}
