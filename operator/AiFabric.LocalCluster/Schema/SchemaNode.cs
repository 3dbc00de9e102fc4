using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Schema;

/// <summary>The shape of a value: what a structural OpenAPI v3 schema says about it.</summary>
internal sealed class SchemaNode
{
    public static SchemaNode? OfDefinition(JsonObject? schema) => schema is null ? null : new();
}
