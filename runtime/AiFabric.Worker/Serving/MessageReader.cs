using System.Text;
using System.Text.Json;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Serving;

/// <summary>Reads the messages of a chat, in order, and writes them as chat templates expect them.</summary>
/// <param name="model">The model.</param>
internal sealed class MessageReader(ServedModel model)
{
    private static readonly string[] Roles = ["system", "developer", "user", "assistant", "tool"];
    private static readonly string[] Fields = ["role", "content", "name", "tool_calls", "tool_call_id"];

    // As deep as a body may be, with an assistant's arguments, which may be as deep again.
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 256 };

    // Of the last assistant's message: the function of each call by its id; null once it is answered.
    private readonly Dictionary<string, string?> calls = [];

    /// <summary>Reads all.</summary>
    /// <param name="json">The list as the client wrote it.</param>
    /// <param name="messages">The same.</param>
    /// <exception cref="ApiException">400 naming the field at fault.</exception>
    public IReadOnlyList<JsonElement> Read(JsonElement json, IReadOnlyList<ChatMessage> messages)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes))
        {
            writer.WriteStartArray();
            foreach (var (index, (message, written)) in messages.Zip(json.EnumerateArray()).Index())
            {
                CheckFields(written, $"messages[{index}]");
                Write(writer, message, $"messages[{index}]");
            }
            writer.WriteEndArray();
        }
        using var document = JsonDocument.Parse(bytes.ToArray(), Deep);
        return [.. document.RootElement.Clone().EnumerateArray()];
    }

    // What OpenAI's answers have besides, empty, comes back with them.
    private static void CheckFields(JsonElement message, string at)
    {
        foreach (var field in message.EnumerateObject())
        {
            bool isEmpty = field.Value.ValueKind == JsonValueKind.Null || (field.Value.ValueKind == JsonValueKind.Array && field.Value.GetArrayLength() == 0);
            if (!isEmpty && !Fields.Contains(field.Name))
                throw new ApiException(400, $"The field '{at}.{field.Name}' is not supported; leave it out.", $"{at}.{field.Name}", "unsupported_parameter");
        }
    }

    private void Write(Utf8JsonWriter writer, ChatMessage message, string at)
    {
        if (message.Role is not { } role || !Roles.Contains(role))
            throw ApiException.Invalid($"{at}.role", message.Role is null ? "is missing." : $"is '{message.Role}'; it must be one of: {string.Join(", ", Roles)}.");
        var made = Calls(message, at);
        writer.WriteStartObject();
        // OpenAI's newer name for the same.
        writer.WriteString("role", role == "developer" ? "system" : role);
        writer.WriteString("content", made.Count > 0 && IsNull(message.Content) ? "" : ReadContent(message.Content, at + ".content"));
        string? function = role == "tool" || message.ToolCallId is not null ? Answered(message, at) : null;
        if (function is not null)
            writer.WriteString("tool_call_id", message.ToolCallId);
        else
            calls.Clear();
        if ((message.Name ?? function) is { } name)
            writer.WriteString("name", name);
        if (made.Count > 0)
            Write(writer, made);
        writer.WriteEndObject();
    }

    // The function whose call a tool's message answers.
    private string Answered(ChatMessage message, string at)
    {
        if (message.Role != "tool")
            throw ApiException.Invalid($"{at}.tool_call_id", "belongs to messages of the role 'tool'.");
        model.RequireTools($"{at}.role");
        if (message.ToolCallId is not { Length: > 0 } id)
            throw ApiException.Invalid($"{at}.tool_call_id", "is missing; it names the call that a message of the role 'tool' answers.");
        if (!calls.TryGetValue(id, out string? name))
            throw ApiException.Invalid($"{at}.tool_call_id", $"is '{id}', which no call of the assistant's message before it has.");
        calls[id] = null;
        return name ?? throw ApiException.Invalid($"{at}.tool_call_id", $"is '{id}', which an earlier message answers already.");
    }

    private List<(string Id, string Name, string Arguments)> Calls(ChatMessage message, string at)
    {
        at += ".tool_calls";
        if (IsNull(message.ToolCalls) || message.ToolCalls is { ValueKind: JsonValueKind.Array } && message.ToolCalls.Value.GetArrayLength() == 0)
            return [];
        if (message.Role != "assistant")
            throw ApiException.Invalid(at, "belongs to messages of the role 'assistant'.");
        if (message.ToolCalls is not { ValueKind: JsonValueKind.Array } list)
            throw ApiException.Invalid(at, "must be a list of calls.");
        model.RequireTools(at);
        var made = new List<(string Id, string Name, string Arguments)>();
        foreach (var (index, item) in list.EnumerateArray().Index())
        {
            var call = Call(item, $"{at}[{index}]");
            if (made.Exists(other => other.Id == call.Id))
                throw ApiException.Invalid($"{at}[{index}].id", $"is '{call.Id}', which an earlier call has already.");
            made.Add(call);
        }
        return made;
    }

    private static (string Id, string Name, string Arguments) Call(JsonElement json, string at)
    {
        var call = new FieldReader(json, at, "an object with 'id', 'type' and 'function'");
        call.Only("id", "type", "function", "index");
        if (call.Text("type") is { } type && type != "function")
            throw ApiException.Invalid($"{at}.type", $"is '{type}'; it must be 'function'.");
        var function = new FieldReader(call.Get("function"), $"{at}.function", "an object with 'name' and 'arguments'");
        function.Only("name", "arguments");
        return (
            call.Text("id") is { Length: > 0 } id ? id : throw ApiException.Invalid($"{at}.id", "is missing."),
            function.Name(),
            function.Text("arguments") ?? throw ApiException.Invalid($"{at}.function.arguments", "is missing; it must be a string of JSON."));
    }

    private void Write(Utf8JsonWriter writer, List<(string Id, string Name, string Arguments)> made)
    {
        writer.WriteStartArray("tool_calls");
        foreach (var (id, name, arguments) in made)
        {
            calls[id] = name;
            writer.WriteStartObject();
            writer.WriteString("id", id);
            writer.WriteString("type", "function");
            writer.WriteStartObject("function");
            writer.WriteString("name", name);
            writer.WritePropertyName("arguments");
            WriteArguments(writer, arguments);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    // Templates expect an object. Where a model wrote what is none, its client can still tell it so: the text goes back as it was.
    private static void WriteArguments(Utf8JsonWriter writer, string arguments)
    {
        if (string.IsNullOrWhiteSpace(arguments))
            arguments = "{}";
        try
        {
            JsonBody.Parse(Encoding.UTF8.GetBytes(arguments)).WriteTo(writer);
        }
        catch (ApiException)
        {
            writer.WriteStringValue(arguments);
        }
    }

    private static bool IsNull(JsonElement? value) => value is null or { ValueKind: JsonValueKind.Null };

    private static string ReadContent(JsonElement? content, string at)
    {
        if (content is not { } value || value.ValueKind == JsonValueKind.Null)
            throw ApiException.Invalid(at, "is missing.");
        if (value.ValueKind == JsonValueKind.String)
            return value.GetString() ?? "";
        if (value.ValueKind != JsonValueKind.Array)
            throw ApiException.Invalid(at, $"is {JsonBody.KindOf(value)}; it must be a string or a list of text parts.");
        var text = new StringBuilder();
        int part = 0;
        foreach (var item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Object
                || !item.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String || type.GetString() != "text"
                || !item.TryGetProperty("text", out var body) || body.ValueKind != JsonValueKind.String)
            {
                throw ApiException.Invalid($"{at}[{part}]", "is not a part of type 'text'; this model reads text only.");
            }
            text.Append(body.GetString());
            part++;
        }
        return text.ToString();
    }
}
