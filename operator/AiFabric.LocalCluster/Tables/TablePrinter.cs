using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Tables;

/// <summary>Renders objects as a <c>meta.k8s.io Table</c>, which <c>kubectl get</c> prints.</summary>
internal static class TablePrinter
{
    /// <summary>The table of some objects.</summary>
    /// <param name="entry">Their type.</param>
    /// <param name="items">The objects.</param>
    /// <param name="listMeta">The metadata of the list they come from.</param>
    /// <param name="include">What a row carries of its object: None, Metadata or Object.</param>
    /// <param name="version">The meta.k8s.io version the client asked for.</param>
    /// <param name="now">The time that ages count to.</param>
    public static JsonObject Print(
        TypeEntry entry, IEnumerable<JsonObject> items, JsonObject listMeta, string? include, string version, DateTimeOffset now)
    {
        var columns = Columns(entry);
        var rows = items.Select(item => (JsonNode)new JsonObject
        {
            ["cells"] = new JsonArray([.. columns.Select(column => column.Cell(item, now))]),
            ["object"] = RowObject(item, include, version),
        });
        return new()
        {
            ["kind"] = "Table",
            ["apiVersion"] = $"meta.k8s.io/{version}",
            ["metadata"] = listMeta,
            ["columnDefinitions"] = new JsonArray([.. columns.Select(Definition)]),
            ["rows"] = new JsonArray([.. rows]),
        };
    }

    /// <summary>An object's metadata alone.</summary>
    public static JsonObject PartialMetadata(JsonObject found, string version) => new()
    {
        ["kind"] = "PartialObjectMetadata",
        ["apiVersion"] = $"meta.k8s.io/{version}",
        ["metadata"] = found["metadata"]?.DeepClone(),
    };

    private static IReadOnlyList<Column> Columns(TypeEntry entry)
    {
        if (!entry.Custom)
            return BuiltInColumns.For(entry.Type);
        if (entry.Columns is not { Count: > 0 } declared)
            return [BuiltInColumns.Name, BuiltInColumns.Age];
        return [BuiltInColumns.Name, .. declared.OfType<JsonObject>().Select(Custom)];
    }

    private static Column Custom(JsonObject declared)
    {
        var type = declared.Text("type") ?? "string";
        var path = FieldPath.Parse(declared.Text("jsonPath") ?? ".");
        return new(declared.Text("name") ?? "", type, (int)(declared.Whole("priority") ?? 0), (found, now) => Cell(path.Find(found), type, now))
        {
            Format = declared.Text("format") ?? "",
            Description = declared.Text("description") ?? "",
        };
    }

    private static JsonNode? Cell(IReadOnlyList<JsonNode> values, string type, DateTimeOffset now)
    {
        if (values.Count == 0)
            return null;
        return type switch
        {
            "date" => HumanDuration.Since(values[0].ToString(), now),
            "integer" => values[0].GetValueKind() == JsonValueKind.Number ? (long)double.Parse(values[0].ToJsonString(), CultureInfo.InvariantCulture) : null,
            "number" or "boolean" => values[0].DeepClone(),
            _ => string.Join(' ', values.Select(value => value is JsonValue ? value.ToString() : value.ToJsonString())),
        };
    }

    private static JsonNode? RowObject(JsonObject item, string? include, string version) => include switch
    {
        "None" => null,
        "Object" => item.DeepClone(),
        _ => PartialMetadata(item, version),
    };

    private static JsonNode Definition(Column column) => new JsonObject
    {
        ["name"] = column.Name,
        ["type"] = column.Type,
        ["format"] = column.Name == "Name" ? "name" : column.Format,
        ["description"] = column.Description,
        ["priority"] = column.Priority,
    };
}
