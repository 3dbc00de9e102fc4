using System.Text.Json;

namespace AiFabric.Worker.Tools;

/// <summary>A function that a model may ask its client to call.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">What it does; null without one.</param>
/// <param name="Parameters">The JSON Schema of its arguments, an object; null for none.</param>
/// <param name="Strict">Whether calls must have arguments that the schema allows.</param>
internal sealed record ToolDefinition(string Name, string? Description, JsonElement? Parameters, bool Strict)
{
    /// <summary>As templates expect it. Always in this order, so that equal tools are equal prompts, and without what speaks to the server.</summary>
    public JsonElement ToJson()
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("type", "function");
            json.WriteStartObject("function");
            json.WriteString("name", Name);
            if (Description is not null)
                json.WriteString("description", Description);
            if (Parameters is { } parameters)
            {
                json.WritePropertyName("parameters");
                parameters.WriteTo(json);
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        using var document = JsonDocument.Parse(bytes.ToArray());
        return document.RootElement.Clone();
    }
}

/// <summary>The tools of a request, checked.</summary>
internal sealed record ToolRequest
{
    /// <summary>How the model writes calls.</summary>
    public required ToolFormat Format { get; init; }

    /// <summary>In the order of the request.</summary>
    public required IReadOnlyList<ToolDefinition> Definitions { get; init; }

    /// <summary>The one that must be called; null where none is named.</summary>
    public string? Named { get; init; }

    /// <summary>Whether the answer must be a call.</summary>
    public bool Forced { get; init; }

    /// <summary>Whether an answer may have several calls.</summary>
    public required bool Parallel { get; init; }

    /// <summary>Whether an answer ends with its first call.</summary>
    public bool IsSingle => !Parallel || Named is not null || Format.Style == ToolStyle.Bare;

    /// <summary>The definitions that may be called, each with its index in the request.</summary>
    public IEnumerable<(int Index, ToolDefinition Tool)> Callable => Definitions.Index().Where(item => Named is null || item.Item.Name == Named);

    /// <summary>What the template gets.</summary>
    public IReadOnlyList<JsonElement> ForTemplate => [.. Definitions.Select(tool => tool.ToJson())];
}
