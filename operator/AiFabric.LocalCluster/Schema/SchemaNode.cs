using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Schema;

/// <summary>
/// The shape of a value, read from a CustomResourceDefinition's structural schema or from a built-in model type. It drives pruning,
/// defaults, validation, strategic merges and field ownership. Immutable once built (built-in shapes may refer to themselves).
/// </summary>
internal sealed class SchemaNode
{
    /// <summary>The name of the built-in definition, null for custom shapes.</summary>
    public string? Name { get; init; }

    /// <summary>object, array, string, integer, number or boolean; null means any.</summary>
    public string? Type { get; init; }

    /// <summary>Such as date-time, byte, int32, or quantity for amounts that may be written as numbers.</summary>
    public string? Format { get; init; }

    public Dictionary<string, SchemaNode> Properties { get; init; } = new(StringComparer.Ordinal);

    /// <summary>The shape of a map's values.</summary>
    public SchemaNode? Values { get; init; }

    /// <summary>The shape of a list's items.</summary>
    public SchemaNode? Items { get; init; }

    public IReadOnlyList<string> Required { get; init; } = [];

    public JsonNode? Default { get; init; }

    public bool Nullable { get; init; }

    public bool IntOrString { get; init; }

    /// <summary>Keep fields that the shape does not name.</summary>
    public bool PreserveUnknown { get; init; }

    /// <summary>The value is itself an object with apiVersion, kind and metadata.</summary>
    public bool EmbeddedResource { get; init; }

    /// <summary>How lists merge: by identity, by value, or not at all.</summary>
    public ListMerge Merge { get; init; } = ListMerge.Atomic;

    /// <summary>The fields that identify an item of a map list in server-side apply.</summary>
    public IReadOnlyList<string> ListKeys { get; init; } = [];

    /// <summary>The one field that identifies an item in a strategic merge patch; null replaces the list.</summary>
    public string? PatchKey { get; init; }

    /// <summary>The map is owned and replaced as a whole.</summary>
    public bool AtomicMap { get; init; }

    /// <summary>Bounds and combinations; null when there are none.</summary>
    public Constraints? Constraints { get; init; }

    /// <summary>Takes any value.</summary>
    public static SchemaNode Anything { get; } = new() { PreserveUnknown = true };

    /// <summary>The shape of a field, or null when the shape says nothing about it.</summary>
    public SchemaNode? Child(string field) => Properties.GetValueOrDefault(field) ?? Values;
}

/// <summary>How two versions of a list become one.</summary>
internal enum ListMerge
{
    /// <summary>The newer replaces the older.</summary>
    Atomic,

    /// <summary>A set of scalars.</summary>
    Set,

    /// <summary>Items with the same keys are the same item.</summary>
    Map,
}

/// <summary>Bounds on a value and combinations of schemas.</summary>
internal sealed record Constraints
{
    public IReadOnlyList<JsonNode?> Enum { get; init; } = [];

    public double? Minimum { get; init; }

    public double? Maximum { get; init; }

    public bool ExclusiveMinimum { get; init; }

    public bool ExclusiveMaximum { get; init; }

    public double? MultipleOf { get; init; }

    public long? MinLength { get; init; }

    public long? MaxLength { get; init; }

    public string? Pattern { get; init; }

    public long? MinItems { get; init; }

    public long? MaxItems { get; init; }

    public bool UniqueItems { get; init; }

    public long? MinProperties { get; init; }

    public long? MaxProperties { get; init; }

    public IReadOnlyList<SchemaNode> AllOf { get; init; } = [];

    public IReadOnlyList<SchemaNode> AnyOf { get; init; } = [];

    public IReadOnlyList<SchemaNode> OneOf { get; init; } = [];

    public SchemaNode? Not { get; init; }
}
