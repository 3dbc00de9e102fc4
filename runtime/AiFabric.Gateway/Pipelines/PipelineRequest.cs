using System.Text;
using System.Text.Json;
using AiFabric.Gateway.Http;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Pipelines;

/// <summary>A chat request to a pipeline.</summary>
/// <param name="Text">The user's message; of a conversation, all messages with their roles.</param>
/// <param name="IsStream">Whether the answer streams.</param>
/// <param name="WithUsage">Whether a stream ends with the usage.</param>
/// <param name="WithStages">Whether the stages' results come too.</param>
public sealed record PipelineRequest(string Text, bool IsStream, bool WithUsage, bool WithStages)
{
    private static readonly HashSet<string> Known = ["model", "messages", "stream", "stream_options", "user", "n"];

    /// <summary>Reads a body. What a pipeline's stages decide themselves is refused, for it would be ignored.</summary>
    /// <param name="json">A JSON object.</param>
    public static (PipelineRequest? Request, OpenAIError? Error) Read(ReadOnlyMemory<byte> json)
    {
        try
        {
            return Check(json);
        }
        catch (InvalidOperationException)
        {
            return (null, OpenAIError.Invalid("The messages are not valid Unicode text.", "messages")); // Half a surrogate pair.
        }
    }

    private static (PipelineRequest? Request, OpenAIError? Error) Check(ReadOnlyMemory<byte> json)
    {
        using JsonDocument body = JsonDocument.Parse(json);
        foreach (JsonProperty field in body.RootElement.EnumerateObject())
        {
            if (!Known.Contains(field.Name) && field.Value.ValueKind != JsonValueKind.Null)
                return (null, OpenAIError.Invalid($"'{field.Name}' is decided by the stages of a pipeline: leave it out, or set it in the pipeline's spec.", field.Name));
        }
        ChatCompletionRequest? request;
        try
        {
            request = body.Deserialize(OpenAIJson.Default.ChatCompletionRequest);
        }
        catch (JsonException e)
        {
            return (null, OpenAIError.Invalid($"The request body does not fit a chat request at {e.Path}.", e.Path?.TrimStart('$', '.')));
        }
        if (request?.N is not (null or 1))
            return (null, OpenAIError.Invalid("A pipeline gives one answer: 'n' must be 1.", "n"));
        if (request?.Messages is not { Count: > 0 } messages)
            return (null, OpenAIError.Invalid("'messages' needs at least one message.", "messages"));
        bool streams = request.Stream == true;
        if (!streams && request.StreamOptions is not null)
            return (null, OpenAIError.Invalid("'stream_options' goes with 'stream': true.", "stream_options"));
        for (int i = 0; i < messages.Count; i++)
        {
            if (messages[i] is null)
                return (null, OpenAIError.Invalid("A message must be an object with a role and a content.", $"messages[{i}]"));
            if (messages[i].Role == "tool" || messages[i].ToolCalls is { ValueKind: not JsonValueKind.Null } || messages[i].ToolCallId is not null)
                return (null, OpenAIError.Invalid("A pipeline calls no tools of its client: leave calls and their results out.", $"messages[{i}]"));
        }
        return TextOf(messages) switch
        {
            null => (null, OpenAIError.Invalid("The content of each message must be a text, or a list of text parts.", "messages")),
            { Length: > ItemText.MaxLength } text => (null, OpenAIError.Invalid(
                $"The messages have {text.Length} characters; a pipeline takes at most {ItemText.MaxLength}.", "messages", "input_too_long")),
            var text => (new PipelineRequest(text, streams, request.StreamOptions?.IncludeUsage == true, request.StreamOptions?.IncludeIntermediate == true), null),
        };
    }

    private static string? TextOf(IReadOnlyList<ChatMessage> messages)
    {
        if (messages.Count == 1)
            return ContentOf(messages[0]);
        var text = new StringBuilder();
        foreach (ChatMessage message in messages)
        {
            if (ContentOf(message) is not { } content)
                return null;
            text.Append(text.Length > 0 ? "\n" : "").Append(message.Role).Append(": ").Append(content);
        }
        return text.ToString();
    }

    private static string? ContentOf(ChatMessage message) => message.Content switch
    {
        { ValueKind: JsonValueKind.String } text => text.GetString(),
        { ValueKind: JsonValueKind.Array } parts when parts.EnumerateArray().All(IsText) =>
            string.Concat(parts.EnumerateArray().Select(part => part.GetProperty("text").GetString())),
        _ => null,
    };

    private static bool IsText(JsonElement part) => part.ValueKind == JsonValueKind.Object
        && part.TryGetProperty("type", out JsonElement type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("text")
        && part.TryGetProperty("text", out JsonElement text) && text.ValueKind == JsonValueKind.String;
}
