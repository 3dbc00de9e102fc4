using System.Text.Json;

namespace AiFabric.Cli.Cluster;

/// <summary>One kind as discovery describes it.</summary>
public sealed record KindEntry(
    string Group, string Version, string Kind, string Plural, string Singular, bool Namespaced, IReadOnlyList<string> ShortNames, IReadOnlyList<string> Categories)
{
    /// <summary>Reads an APIResourceList, leaving out subresources.</summary>
    public static IReadOnlyList<KindEntry> Parse(string apiVersion, JsonElement list)
    {
        string[] parts = apiVersion.Split('/');
        return [.. list.GetProperty("resources").EnumerateArray()
            .Where(r => !Text(r, "name").Contains('/', StringComparison.Ordinal))
            .Select(r => new KindEntry(
                parts.Length == 2 ? parts[0] : "", parts[^1], Text(r, "kind"), Text(r, "name"), Text(r, "singularName"),
                r.GetProperty("namespaced").GetBoolean(), Texts(r, "shortNames"), Texts(r, "categories")))];
    }

    /// <summary>Whether a user who writes <paramref name="name"/> means this kind.</summary>
    public bool IsCalled(string name) =>
        string.Equals(name, Plural, StringComparison.OrdinalIgnoreCase) || string.Equals(name, Singular, StringComparison.OrdinalIgnoreCase)
        || string.Equals(name, Kind, StringComparison.OrdinalIgnoreCase) || name == $"{Plural}.{Group}"
        || ShortNames.Contains(name) || Categories.Contains(name);

    /// <summary>The collection's path; a null namespace is all of them.</summary>
    public string Path(string? @namespace) =>
        (Group.Length == 0 ? $"api/{Version}" : $"apis/{Group}/{Version}")
        + (Namespaced && @namespace is not null ? $"/namespaces/{@namespace}" : "") + $"/{Plural}";

    private static string Text(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement value) ? value.GetString() ?? "" : "";

    private static string[] Texts(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(v => v.GetString() ?? "")] : [];
}
