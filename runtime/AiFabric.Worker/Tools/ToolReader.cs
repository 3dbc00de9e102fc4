using System.Text.Json;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Tools;

/// <summary>Reads <c>tools</c>, <c>tool_choice</c> and <c>parallel_tool_calls</c>.</summary>
internal static class ToolReader
{
    // OpenAI's bound.
    private const int MaxTools = 128;

    /// <summary>The tools of a request.</summary>
    /// <returns>Null without tools, and where the choice is <c>none</c>: the model then sees none.</returns>
    /// <exception cref="ApiException">400: a tool is malformed, the choice is none of them, or the model cannot use tools.</exception>
    public static ToolRequest? Read(ServedModel model, ChatCompletionRequest body)
    {
        var format = body.Tools is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0 ? model.RequireTools("tools") : null;
        var definitions = Definitions(body.Tools);
        string? named = null;
        string choice = body.ToolChoice switch
        {
            null or { ValueKind: JsonValueKind.Null } => "auto",
            { ValueKind: JsonValueKind.String } word => Word(word.GetString() ?? ""),
            { } json => Named(json, out named),
        };
        if (format is null)
        {
            return choice == "none" || body.ToolChoice is null or { ValueKind: JsonValueKind.Null }
                ? null
                : throw ApiException.Invalid("tool_choice", "needs 'tools', which the request does not have.");
        }
        if (named is not null && definitions.All(tool => tool.Name != named))
            throw ApiException.Invalid("tool_choice.function.name", $"is '{named}', which no tool has; there are: {string.Join(", ", definitions.Select(t => t.Name))}.");
        return choice == "none"
            ? null
            : new ToolRequest
            {
                Format = format,
                Definitions = definitions,
                Named = named,
                Forced = choice == "required" || named is not null,
                Parallel = body.ParallelToolCalls ?? true,
            };
    }

    /// <summary>The functions of a request.</summary>
    /// <returns>Empty without any.</returns>
    /// <exception cref="ApiException">400: one is malformed, or two have one name.</exception>
    public static IReadOnlyList<ToolDefinition> Definitions(JsonElement? tools)
    {
        if (tools is not { ValueKind: JsonValueKind.Array } list)
            return [];
        if (list.GetArrayLength() > MaxTools)
            throw ApiException.Invalid("tools", $"holds {list.GetArrayLength()} tools; at most {MaxTools} are allowed.");
        var definitions = new List<ToolDefinition>();
        foreach (var (index, tool) in list.EnumerateArray().Index())
        {
            var definition = Definition(tool, $"tools[{index}]");
            if (definitions.Exists(other => other.Name == definition.Name))
                throw ApiException.Invalid($"tools[{index}].function.name", $"is '{definition.Name}', which an earlier tool has already.");
            definitions.Add(definition);
        }
        return definitions;
    }

    private static ToolDefinition Definition(JsonElement tool, string at)
    {
        var fields = new FieldReader(tool, at, "an object with 'type' and 'function'");
        fields.Only("type", "function");
        if (fields.Text("type") is var type && type != "function")
            throw ApiException.Invalid($"{at}.type", type is null ? "is missing; it must be 'function'." : $"is '{type}'; it must be 'function'.");
        var function = new FieldReader(fields.Get("function"), $"{at}.function", "an object with 'name', 'description' and 'parameters'");
        function.Only("name", "description", "parameters", "strict");
        return new ToolDefinition(function.Name(), function.Text("description"), Parameters(function), function.Flag("strict") ?? false);
    }

    private static JsonElement? Parameters(FieldReader function)
    {
        if (function.Get("parameters") is not { } schema)
            return null;
        string at = function.PathOf("parameters");
        if (schema.ValueKind != JsonValueKind.Object)
            throw ApiException.Invalid(at, $"is {JsonBody.KindOf(schema)}; it must be a JSON Schema of an object.");
        // The empty schema is any object; else a schema that says nothing of the type could allow what is no object.
        if (schema.EnumerateObject().Any() && (!schema.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String || !type.ValueEquals("object")))
            throw ApiException.Invalid($"{at}.type", "must be 'object'.");
        return schema;
    }

    private static string Word(string choice) => choice is "none" or "auto" or "required"
        ? choice
        : throw ApiException.Invalid("tool_choice", $"is '{choice}'; it must be 'none', 'auto', 'required' or {{\"type\": \"function\", \"function\": {{\"name\": …}}}}.");

    private static string Named(JsonElement choice, out string name)
    {
        var fields = new FieldReader(choice, "tool_choice", "'none', 'auto', 'required' or an object with 'type' and 'function'");
        fields.Only("type", "function");
        if (fields.Text("type") is var type && type != "function")
            throw ApiException.Invalid("tool_choice.type", type is null ? "is missing; it must be 'function'." : $"is '{type}'; it must be 'function'.");
        var function = new FieldReader(fields.Get("function"), "tool_choice.function", "an object with 'name'");
        function.Only("name");
        name = function.Name();
        return "named";
    }
}
