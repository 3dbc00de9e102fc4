using System.Text;
using System.Text.Json;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.Constraints.Expressions;
using AiFabric.Engine.Constraints.Json;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Serving;

/// <summary>The format that a request asks its answer to have.</summary>
/// <param name="Field">The field that asks for it.</param>
/// <param name="Key">Equal for equal formats only.</param>
/// <param name="Grammar">Reads it.</param>
internal sealed record AnswerFormat(string Field, string Key, Func<Grammar> Grammar);

/// <summary>Reads <c>response_format</c>, and vLLM's <c>structured_outputs</c> and <c>guided_*</c>.</summary>
internal static class FormatReader
{
    private const int MaxNameLength = 64;

    /// <summary>The constraint that a request asks for; null when any text will do.</summary>
    /// <param name="model">The model.</param>
    /// <param name="body">The request.</param>
    /// <param name="tools">Its tools; null without any.</param>
    /// <exception cref="ApiException">400: the format is malformed, not supported, asked for twice, or cannot be kept with the request's other fields.</exception>
    public static TokenConstraint? Read(ServedModel model, GenerationRequestBody body, ToolRequest? tools)
    {
        AnswerFormat[] formats = [.. OfBody(body).OfType<AnswerFormat>()];
        if (formats.Length > 1)
            throw ApiException.Invalid(formats[1].Field, $"cannot be combined with '{formats[0].Field}'; give one of them.");
        var format = formats.FirstOrDefault();
        if (tools is not null)
            format = ToolGrammar.Of(tools, format);
        return format is null ? null : Compile(model, body, format);
    }

    /// <summary>Compiles a format for a request.</summary>
    /// <exception cref="ApiException">400: the format cannot be used, or not with the request's other fields.</exception>
    public static TokenConstraint Compile(ServedModel model, GenerationRequestBody body, AnswerFormat format)
    {
        if (body.IgnoreEos is true)
            throw ApiException.Invalid("ignore_eos", $"cannot be combined with '{format.Field}': the answer ends where the format does.");
        if (body.MinTokens > 0)
            throw ApiException.Invalid("min_tokens", $"cannot be combined with '{format.Field}': the answer ends where the format does.");
        if (model.Backend.EndOfSequenceIds.Count == 0)
            throw ApiException.Invalid(format.Field, "needs a model with a token that ends answers, which this one does not have.");
        try
        {
            return model.Constraints.Get(format.Key, format.Grammar);
        }
        catch (GrammarException e)
        {
            throw ApiException.Invalid(e.Path.Length == 0 ? format.Field : $"{format.Field}.{e.Path}", e.Message);
        }
    }

    private static IEnumerable<AnswerFormat?> OfBody(GenerationRequestBody body)
    {
        yield return body.ResponseFormat is { ValueKind: JsonValueKind.Object } format ? OfResponse(format) : null;
        yield return body.StructuredOutputs is { ValueKind: JsonValueKind.Object } outputs ? OfOutputs(outputs) : null;
        yield return Present(body.GuidedJson) is { } schema ? OfSchema("guided_json", schema) : null;
        yield return Present(body.GuidedRegex) is { } expression ? OfExpression("guided_regex", expression) : null;
        yield return Present(body.GuidedChoice) is { } choices ? OfChoices("guided_choice", choices) : null;
    }

    private static JsonElement? Present(JsonElement? value) => value is { ValueKind: JsonValueKind.Null } ? null : value;

    private static AnswerFormat? OfResponse(JsonElement format)
    {
        string? type = format.TryGetProperty("type", out var named) && named.ValueKind == JsonValueKind.String ? named.GetString() : null;
        Only(format, "response_format", type == "json_schema" ? ["type", "json_schema"] : ["type"]);
        return type switch
        {
            "text" => null,
            "json_object" => new AnswerFormat("response_format", "json_object", JsonSchema.AnyObject),
            "json_schema" => OfNamedSchema(format),
            _ => throw ApiException.Invalid("response_format.type", type is null ? "is missing." : $"is '{type}'; it must be one of: text, json_object, json_schema."),
        };
    }

    private static AnswerFormat OfNamedSchema(JsonElement format)
    {
        const string field = "response_format.json_schema";
        if (!format.TryGetProperty("json_schema", out var named) || named.ValueKind != JsonValueKind.Object)
            throw ApiException.Invalid(field, "is missing; it must be an object with 'name' and 'schema'.");
        Only(named, field, ["name", "schema", "strict", "description"]);
        if (!named.TryGetProperty("name", out var name) || name.ValueKind != JsonValueKind.String || !IsName(name.GetString()))
            throw ApiException.Invalid($"{field}.name", $"must be given, with up to {MaxNameLength} of the characters a-z, A-Z, 0-9, '_' and '-'.");
        if (named.TryGetProperty("strict", out var strict) && strict.ValueKind is not (JsonValueKind.True or JsonValueKind.False or JsonValueKind.Null))
            throw ApiException.Invalid($"{field}.strict", "must be a boolean.");
        if (named.TryGetProperty("description", out var text) && text.ValueKind is not (JsonValueKind.String or JsonValueKind.Null))
            throw ApiException.Invalid($"{field}.description", "must be a string.");
        return named.TryGetProperty("schema", out var schema)
            ? OfSchema($"{field}.schema", schema)
            : throw ApiException.Invalid($"{field}.schema", "is missing.");
    }

    private static AnswerFormat OfOutputs(JsonElement outputs)
    {
        const string field = "structured_outputs";
        Only(outputs, field, ["json", "regex", "choice", "json_object"]);
        JsonProperty[] given = [.. outputs.EnumerateObject().Where(p => p.Value.ValueKind != JsonValueKind.Null)];
        if (given.Length != 1)
            throw ApiException.Invalid(field, "must have exactly one of: json, regex, choice, json_object.");
        var (name, value) = ($"{field}.{given[0].Name}", given[0].Value);
        return given[0].Name switch
        {
            "json" => OfSchema(name, value),
            "regex" => OfExpression(name, value),
            "choice" => OfChoices(name, value),
            _ => value.ValueKind == JsonValueKind.True ? new AnswerFormat(name, "json_object", JsonSchema.AnyObject) : throw ApiException.Invalid(name, "must be true."),
        };
    }

    private static AnswerFormat OfSchema(string field, JsonElement schema)
    {
        if (schema.ValueKind == JsonValueKind.String)
            schema = Parse(field, schema.GetString() ?? "");
        return new AnswerFormat(field, $"schema {schema.GetRawText()}", () => JsonSchema.ToGrammar(schema));
    }

    private static JsonElement Parse(string field, string text)
    {
        try
        {
            return JsonBody.Parse(Encoding.UTF8.GetBytes(text));
        }
        catch (ApiException)
        {
            throw ApiException.Invalid(field, "is a string, but not one of a JSON object.");
        }
    }

    private static AnswerFormat OfExpression(string field, JsonElement expression)
    {
        if (expression.ValueKind != JsonValueKind.String)
            throw ApiException.Invalid(field, "must be a string.");
        string text = expression.GetString() ?? "";
        return new AnswerFormat(field, $"regex {text}", () => new Grammar(RegularExpression.Whole(text)));
    }

    private static AnswerFormat OfChoices(string field, JsonElement choices)
    {
        if (choices.ValueKind != JsonValueKind.Array || choices.GetArrayLength() == 0 || choices.EnumerateArray().Any(c => c.ValueKind != JsonValueKind.String || c.GetString() is not { Length: > 0 }))
            throw ApiException.Invalid(field, "must be a list of strings that are not empty.");
        return new AnswerFormat(field, $"choice {choices.GetRawText()}", () => new Grammar(Pattern.Choice([.. choices.EnumerateArray().Select(c => Pattern.Text(c.GetString() ?? ""))])));
    }

    private static bool IsName(string? name) => name is { Length: > 0 and <= MaxNameLength } && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-');

    private static void Only(JsonElement json, string field, string[] known)
    {
        foreach (var property in json.EnumerateObject())
        {
            if (!known.Contains(property.Name))
                throw ApiException.Invalid($"{field}.{property.Name}", $"is not known; '{field}' has: {string.Join(", ", known)}.");
        }
    }
}
