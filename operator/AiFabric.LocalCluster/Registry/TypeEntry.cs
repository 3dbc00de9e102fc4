using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Schema;

namespace AiFabric.LocalCluster.Registry;

/// <summary>A served type with all that the server knows about it.</summary>
/// <param name="Type">The type in one served version.</param>
/// <param name="Shape">Its schema; null means anything goes.</param>
internal sealed record TypeEntry(ResourceType Type, SchemaNode? Shape)
{
    /// <summary>Whether a CustomResourceDefinition declares it.</summary>
    public bool Custom { get; init; }

    /// <summary>Whether discovery prefers this version.</summary>
    public bool Preferred { get; init; } = true;

    /// <summary>The CRD's additionalPrinterColumns.</summary>
    public JsonArray? Columns { get; init; }

    /// <summary>The CRD's scale subresource: specReplicasPath, statusReplicasPath, labelSelectorPath.</summary>
    public JsonObject? Scale { get; init; }

    /// <summary>The kind of lists of this type.</summary>
    public string ListKind { get; init; } = $"{Type.Kind}List";

    /// <summary>Whether <c>status</c> is written only through its subresource.</summary>
    public bool HasStatus => Type.Has("status");
}
