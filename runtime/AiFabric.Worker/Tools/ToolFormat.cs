using System.Text;
using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Tokenization.Templates;

namespace AiFabric.Worker.Tools;

/// <summary>Where calls stand in an answer.</summary>
internal enum ToolStyle
{
    /// <summary>Each between <c>&lt;tool_call&gt;</c> and <c>&lt;/tool_call&gt;</c>, text before, between and after (Hermes, Qwen).</summary>
    Tagged,

    /// <summary>In a list after <c>[TOOL_CALLS]</c>, text before it (Mistral).</summary>
    Listed,

    /// <summary>The whole answer is one call: <c>{"name": …, "parameters": …}</c> (Llama 3).</summary>
    Bare,
}

/// <summary>How a model writes calls. Found by having its chat template write one: what templates write is what models learned to.</summary>
/// <remarks>
/// Sources: NousResearch, Hermes function calling; Qwen, Mistral and Llama 3.1 chat templates; vLLM's parsers <c>hermes</c>, <c>mistral</c>,
/// <c>llama3_json</c>, whose formats these are.
/// </remarks>
internal sealed record ToolFormat
{
    private const string ToolName = "probe_tool";
    private const string CallName = "probe_call";
    private const string Key = "probe_key";

    private static readonly string[] ArgumentKeys = ["arguments", "parameters"];

    private static readonly JsonElement Tool = Parse(
        """{"type":"function","function":{"name":"probe_tool","description":"d","parameters":{"type":"object","properties":{"probe_key":{"type":"string","description":"d"}},"required":["probe_key"]}}}""");

    private static readonly JsonElement User = Parse("""{"role":"user","content":"q"}""");

    // Some templates take ids of nine letters only.
    private static readonly JsonElement Call = Parse(
        """{"role":"assistant","content":"","tool_calls":[{"id":"abcdefghi","type":"function","function":{"name":"probe_call","arguments":{"probe_key":"v"}}}]}""");

    public required ToolStyle Style { get; init; }

    /// <summary>The member that holds the arguments: <c>arguments</c> or <c>parameters</c>.</summary>
    public required string ArgumentsKey { get; init; }

    /// <summary>What stands before a call, or before the list of them; empty for <see cref="ToolStyle.Bare"/>.</summary>
    public string Open => Style switch { ToolStyle.Tagged => "<tool_call>", ToolStyle.Listed => "[TOOL_CALLS]", _ => "" };

    /// <summary>What stands after a call; empty where nothing does.</summary>
    public string Close => Style == ToolStyle.Tagged ? "</tool_call>" : "";

    /// <summary>The token of <see cref="Open"/> where that is a control mark and no text.</summary>
    public int? OpenMark { get; init; }

    /// <summary>The token of <see cref="Close"/> where that is a control mark and no text.</summary>
    public int? CloseMark { get; init; }

    /// <summary>Control marks that belong to the text of an answer.</summary>
    public IReadOnlyList<int> Marks => [.. new[] { OpenMark, CloseMark }.OfType<int>()];

    /// <summary>Finds how a template writes calls.</summary>
    /// <param name="template">The model's.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="problem">Why there is none, continuing "the chat template"; empty where there is one.</param>
    /// <returns>Null when the template says nothing of tools, or writes calls in no known form.</returns>
    public static ToolFormat? Find(ChatTemplate template, HuggingFaceTokenizer tokenizer, out string problem)
    {
        string asked = Render(template, [User], opens: true);
        problem = "defines no tools";
        if (!asked.Contains(ToolName, StringComparison.Ordinal))
            return null;
        string called = Render(template, [User, Call], opens: false);
        problem = "writes tool calls in a form that is not known here; known are <tool_call>{…}</tool_call>, [TOOL_CALLS][{…}] and a bare {\"name\": …, \"parameters\": …}";
        if ((Tagged(called) ?? Listed(called) ?? Bare(called, asked)) is not { } format)
            return null;
        problem = "";
        return format with { OpenMark = MarkOf(tokenizer, format.Open), CloseMark = MarkOf(tokenizer, format.Close) };
    }

    private static ToolFormat? Tagged(string text)
    {
        for (int at = text.IndexOf("<tool_call>", StringComparison.Ordinal); at >= 0; at = text.IndexOf("<tool_call>", at + 1, StringComparison.Ordinal))
        {
            if (CallAt(text[(at + "<tool_call>".Length)..], out int after) is { } key && text[(at + "<tool_call>".Length + after)..].TrimStart().StartsWith("</tool_call>", StringComparison.Ordinal))
                return new ToolFormat { Style = ToolStyle.Tagged, ArgumentsKey = key };
        }
        return null;
    }

    private static ToolFormat? Listed(string text)
    {
        int at = text.IndexOf("[TOOL_CALLS]", StringComparison.Ordinal);
        string rest = at < 0 ? "" : text[(at + "[TOOL_CALLS]".Length)..].TrimStart();
        return rest.StartsWith('[') && CallAt(rest[1..], out _) is { } key ? new ToolFormat { Style = ToolStyle.Listed, ArgumentsKey = key } : null;
    }

    // Nothing may stand between the beginning of the answer and the call, or it is another form.
    private static ToolFormat? Bare(string text, string asked) =>
        text.StartsWith(asked, StringComparison.Ordinal) && CallAt(text[asked.Length..], out _) is { } key ? new ToolFormat { Style = ToolStyle.Bare, ArgumentsKey = key } : null;

    // The key of the arguments when the text begins with the call.
    private static string? CallAt(string text, out int characters)
    {
        characters = 0;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        var reader = new Utf8JsonReader(bytes, isFinalBlock: false, default);
        try
        {
            if (!JsonDocument.TryParseValue(ref reader, out var document))
                return null;
            using (document)
            {
                characters = Encoding.UTF8.GetCharCount(bytes.AsSpan(0, (int)reader.BytesConsumed));
                var call = document.RootElement;
                if (call.ValueKind != JsonValueKind.Object || !call.TryGetProperty("name", out var name) || !name.ValueEquals(CallName))
                    return null;
                return ArgumentKeys.FirstOrDefault(
                    key => call.TryGetProperty(key, out var arguments) && arguments.ValueKind == JsonValueKind.Object && arguments.TryGetProperty(Key, out _));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string Render(ChatTemplate template, IReadOnlyList<JsonElement> messages, bool opens)
    {
        try
        {
            return string.Concat(template.Render(messages, [Tool], opens).Select(segment => segment.Text));
        }
        catch (ChatTemplateException)
        {
            return "";
        }
    }

    private static int? MarkOf(HuggingFaceTokenizer tokenizer, string spelling)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(spelling);
        foreach (int id in tokenizer.SpecialIds)
        {
            if (tokenizer.TokenBytes(id).SequenceEqual(bytes))
                return id;
        }
        return null;
    }

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
