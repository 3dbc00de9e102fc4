using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Tables;

/// <summary>One column of a table for people.</summary>
/// <param name="Name">The heading.</param>
/// <param name="Type">string, integer, number, boolean or date.</param>
/// <param name="Priority">0 is always shown, 1 only with <c>-o wide</c>.</param>
/// <param name="Cell">The cell for an object.</param>
internal sealed record Column(string Name, string Type, int Priority, Func<JsonObject, DateTimeOffset, JsonNode?> Cell)
{
    public string Format { get; init; } = "";

    public string Description { get; init; } = "";

    public static Column Text(string name, Func<JsonObject, string?> cell, int priority = 0) =>
        new(name, "string", priority, (found, _) => cell(found) is { Length: > 0 } text ? text : "<none>");

    public static Column Count(string name, Func<JsonObject, long?> cell, int priority = 0) =>
        new(name, "integer", priority, (found, _) => cell(found) ?? 0);
}
