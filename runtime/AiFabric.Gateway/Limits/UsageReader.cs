using System.Text.Json;

namespace AiFabric.Gateway.Limits;

/// <summary>Finds <c>usage.total_tokens</c> in the end of an answer, or in an event of one. Pure.</summary>
public static class UsageReader
{
    /// <returns>Null when it says nothing of it.</returns>
    public static long? TotalTokens(ReadOnlySpan<byte> json)
    {
        // A quotation mark inside a string has a backslash before it, so this can be nothing but the field.
        int at = json.LastIndexOf("\"usage\":"u8);
        if (at < 0)
            return null;
        var reader = new Utf8JsonReader(json[(at + "\"usage\":".Length)..], isFinalBlock: false, state: default);
        try
        {
            while (reader.Read() && (reader.TokenType == JsonTokenType.StartObject || reader.CurrentDepth > 0))
            {
                if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1 && reader.ValueTextEquals("total_tokens"u8))
                    return reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long total) ? total : null;
            }
        }
        catch (JsonException)
        {
            // Not the worker's usage; what was counted stands.
        }
        return null;
    }
}
