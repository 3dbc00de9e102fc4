using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Patches;

/// <summary>
/// A set of fields as a tree, in the path elements of FieldsV1: <c>f:name</c> a field, <c>k:{...}</c> an item by its keys, <c>v:...</c> an item
/// by its value. Mutable while it is built; the operations return new sets.
/// </summary>
internal sealed class FieldSet
{
    private const string Self = ".";

    /// <summary>Whether the place itself is in the set, not only places below it.</summary>
    public bool Member { get; set; }

    public SortedDictionary<string, FieldSet> Children { get; } = new(StringComparer.Ordinal);

    public bool IsEmpty => !Member && Children.Count == 0;

    public static FieldSet FromJson(JsonObject? fields)
    {
        var set = new FieldSet();
        foreach (var (element, below) in fields ?? [])
        {
            if (element == Self)
            {
                set.Member = true;
                continue;
            }

            var child = FromJson(below as JsonObject);
            child.Member |= child.Children.Count == 0;
            set.Children[element] = child;
        }

        return set;
    }

    public JsonObject ToJson()
    {
        var fields = new JsonObject();
        // A member with nothing below it is written {}; "." marks members that have more below.
        if (Member && Children.Count > 0)
            fields[Self] = new JsonObject();
        foreach (var (element, child) in Children)
            fields[element] = child.ToJson();
        return fields;
    }

    /// <summary>The place at an element, made when missing.</summary>
    public FieldSet At(string element)
    {
        if (!Children.TryGetValue(element, out var child))
            Children[element] = child = new();
        return child;
    }

    public FieldSet Union(FieldSet other) => Combine(this, other, (one, two) => one || two);

    public FieldSet Intersect(FieldSet other) => Combine(this, other, (one, two) => one && two);

    public FieldSet Except(FieldSet other) => Combine(this, other, (one, two) => one && !two);

    public bool SameAs(FieldSet other) => JsonNode.DeepEquals(ToJson(), other.ToJson());

    /// <summary>The members as readable paths, such as <c>.spec.containers[name="a"].image</c>.</summary>
    public IEnumerable<string> Paths(string prefix = "")
    {
        if (Member)
            yield return prefix;
        // Fields come before what is inside of fields, as real servers list them.
        foreach (var (element, child) in Children.OrderBy(pair => pair.Value.Children.Count > 0))
        {
            foreach (var path in child.Paths(prefix + Readable(element)))
                yield return path;
        }
    }

    private static FieldSet Combine(FieldSet? one, FieldSet? two, Func<bool, bool, bool> keep)
    {
        var made = new FieldSet { Member = keep(one?.Member ?? false, two?.Member ?? false) };
        IEnumerable<string> names = one?.Children.Keys ?? Enumerable.Empty<string>();
        foreach (var element in names.Union(two?.Children.Keys ?? Enumerable.Empty<string>()))
        {
            var child = Combine(one?.Children.GetValueOrDefault(element), two?.Children.GetValueOrDefault(element), keep);
            if (!child.IsEmpty)
                made.Children[element] = child;
        }

        return made;
    }

    private static string Readable(string element)
    {
        var value = element[2..];
        return element[0] switch
        {
            'k' when JsonNode.Parse(value) is JsonObject keys =>
                $"[{string.Join(',', keys.Select(pair => $"{pair.Key}={pair.Value?.ToJsonString()}"))}]",
            'v' => $"[={value}]",
            'i' => $"[{value}]",
            _ => $".{value}",
        };
    }
}
