using System.Text.Json;

namespace AiFabric.Gateway.Finetuning.Files;

/// <summary>
/// Checks a training file line by line while it comes in, so that a client learns of a broken line when it uploads and not when a worker trains. Lines are JSON
/// objects, all of one <see cref="LineFormat"/>, which the first tells.
/// </summary>
internal sealed class LineChecker
{
    /// <summary>Longer lines are refused: a worker would cut them to a few thousand tokens.</summary>
    public const int MaxLineBytes = 4 << 20;

    private int _line;
    private int _samples;

    /// <summary>What the lines are; null before the first.</summary>
    public LineFormat? Format { get; private set; }

    /// <summary>Takes the next line, without its end.</summary>
    /// <returns>What is wrong with it; null for nothing.</returns>
    public string? Take(ReadOnlyMemory<byte> line)
    {
        _line++;
        if (line.Span.Trim(" \t\r"u8).IsEmpty)
            return null;
        _samples++;
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            return Check(document.RootElement) is { } wrong ? $"line {_line}: {wrong}" : null;
        }
        catch (JsonException)
        {
            return $"line {_line}: no valid JSON; the file must be JSON lines, one object a line";
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair: valid JSON, and no Unicode text.
            return $"line {_line}: no valid Unicode text";
        }
    }

    /// <summary>What is wrong with the file as a whole, at its end; null for nothing.</summary>
    public string? End() => _samples == 0 ? "the file holds no line" : null;

    private string? Check(JsonElement sample)
    {
        if (sample.ValueKind != JsonValueKind.Object)
            return "must be a JSON object";
        LineFormat? format = sample.TryGetProperty("messages", out _) ? LineFormat.Chat
            : sample.TryGetProperty("prompt", out _) ? LineFormat.PromptCompletion
            : sample.TryGetProperty("text", out _) ? LineFormat.Text
            : null;
        if (format is null)
            return "must have 'messages', or 'prompt' and 'completion', or 'text'";
        Format ??= format;
        if (format != Format)
            return $"is {format}, the lines before are {Format}; a file holds lines of one kind";
        return format switch
        {
            LineFormat.Chat => CheckCalls(sample, "tools", "functions") ?? CheckMessages(sample.GetProperty("messages")),
            LineFormat.PromptCompletion => CheckText(sample, "prompt") ?? CheckText(sample, "completion"),
            _ => CheckText(sample, "text"),
        };
    }

    private static string? CheckMessages(JsonElement messages)
    {
        if (messages.ValueKind != JsonValueKind.Array || messages.GetArrayLength() == 0)
            return "'messages' must be a list with at least one message";
        bool answered = false;
        foreach ((int index, JsonElement message) in messages.EnumerateArray().Index())
        {
            if (message.ValueKind != JsonValueKind.Object || !message.TryGetProperty("role", out JsonElement role) || role.ValueKind != JsonValueKind.String)
                return "each of 'messages' must be an object with a 'role'";
            answered |= role.ValueEquals("assistant"u8);
            if (CheckCalls(message, "tool_calls", "function_call") is { } call)
                return $"messages[{index}] {call}";
            if (CheckText(message, "content") is { } wrong)
                return wrong;
        }
        return answered ? null : "'messages' must hold an assistant's message, which is what is learned";
    }

    // In a worker's words.
    private static string? CheckCalls(JsonElement holder, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (holder.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null)
                return $"has '{name}', which finetuning does not support: only the text in 'content' is learned, so put it there or leave the line out";
        }
        return null;
    }

    private static string? CheckText(JsonElement holder, string name)
    {
        if (!holder.TryGetProperty(name, out JsonElement text) || text.ValueKind != JsonValueKind.String)
            return $"'{name}' must be a text";
        _ = text.GetString(); // throws on what is no Unicode text
        return null;
    }
}
