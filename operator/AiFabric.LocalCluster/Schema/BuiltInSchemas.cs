using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Schema;

/// <summary>The shapes of the built-in types.</summary>
internal static class BuiltInSchemas
{
    public static SchemaNode? For(ResourceType type) => type.Kind.Length == 0 ? new() : null;
}
