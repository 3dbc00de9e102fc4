using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;

namespace AiFabric.Worker.Errors;

/// <summary>Reads JSON bodies; what is wrong with one is named by position or field.</summary>
internal static class JsonBody
{
    /// <summary>Parses the body to a tree, for checks by field.</summary>
    /// <exception cref="ApiException">400: empty, malformed, or not an object.</exception>
    public static async Task<JsonElement> ReadObjectAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body, cancellationToken);
        return Parse(body.GetBuffer().AsMemory(0, (int)body.Length));
    }

    /// <exception cref="ApiException">400: empty, malformed, or not an object.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> body)
    {
        if (body.IsEmpty)
            throw new ApiException(400, "The request body is empty; a JSON object is needed.", code: "invalid_json");
        try
        {
            RequireText(body.Span);
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new ApiException(400, $"The request body is {KindOf(document.RootElement)}; a JSON object is needed.", code: "invalid_json");
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw Malformed(e);
        }
    }

    /// <exception cref="ApiException">400: a field of a wrong type, missing or unknown; the message names it.</exception>
    public static T Convert<T>(JsonElement body, JsonTypeInfo<T> type)
    {
        try
        {
            return body.Deserialize(type) ?? throw new ApiException(400, "The request body is null; a JSON object is needed.", code: "invalid_json");
        }
        catch (JsonException e)
        {
            string field = FieldOf(e.Path);
            throw new ApiException(400, $"The field '{field}' is not what it should be: {FirstSentence(e.Message)}", field.Length > 0 ? field : null, "invalid_value");
        }
    }

    public static string KindOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };

    // The parser takes any bytes between quotes, and whoever reads such a string later fails: a cut-off emoji is the usual case.
    private static void RequireText(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        bool isUtf8 = Utf8.IsValid(json);
        while (reader.Read())
        {
            if (reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName) || (isUtf8 && !reader.ValueIsEscaped))
                continue;
            try
            {
                _ = reader.GetString();
            }
            catch (InvalidOperationException)
            {
                throw new ApiException(
                    400, $"The string at byte {reader.TokenStartIndex + 1} of the request body is not valid Unicode text; half of a surrogate pair, perhaps.", code: "invalid_json");
            }
        }
    }

    private static ApiException Malformed(JsonException e)
    {
        string where = $"line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}";
        return new ApiException(400, $"The request body is not valid JSON: {where}: {FirstSentence(e.Message)}", code: "invalid_json");
    }

    private static string FieldOf(string? path) => path is null or "$" ? "" : path.StartsWith("$.", StringComparison.Ordinal) ? path[2..] : path;

    // The rest of the message repeats the position in words.
    private static string FirstSentence(string message)
    {
        int end = message.IndexOf(" Path: ", StringComparison.Ordinal);
        if (end < 0)
            end = message.IndexOf(" LineNumber: ", StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }
}
