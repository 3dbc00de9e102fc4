using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry;

/// <summary>metadata.generation counts the changes of what the user asks for: everything but metadata and status.</summary>
internal static class Generations
{
    /// <summary>Whether objects of the type carry a generation at all.</summary>
    public static bool Counts(TypeEntry entry) =>
        entry.Custom || entry.Type.Group is "apps" or "batch" or "apiextensions.k8s.io" or "policy" or "networking.k8s.io";

    public static void Start(TypeEntry entry, JsonObject made)
    {
        if (Counts(entry))
            made.Ensure("metadata")["generation"] = 1;
    }

    public static void Bump(TypeEntry entry, JsonObject next, JsonObject current)
    {
        if (Counts(entry) && !SameIntent(entry, next, current))
            next.Ensure("metadata")["generation"] = (current.Whole("metadata", "generation") ?? 0) + 1;
    }

    private static bool SameIntent(TypeEntry entry, JsonObject next, JsonObject current)
    {
        bool Counted(string key) => key != "metadata" && (key != "status" || !entry.HasStatus);
        return next.Select(pair => pair.Key).Union(current.Select(pair => pair.Key)).Where(Counted)
            .All(key => JsonNode.DeepEquals(next.Field(key), current.Field(key)));
    }
}
