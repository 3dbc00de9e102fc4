using System.Text.Json;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>What a model folder says about conversations, in <c>tokenizer_config.json</c> and <c>chat_template.jinja</c>; all of it may be absent.</summary>
/// <param name="ChatTemplate">The Jinja template that turns messages into a prompt.</param>
/// <param name="BeginOfSequence">The text of the token that opens a sequence.</param>
/// <param name="EndOfSequence">The text of the token that ends a text.</param>
/// <param name="AddBeginOfSequence">Whether every text opens with <paramref name="BeginOfSequence"/>; null leaves it to <c>tokenizer.json</c>.</param>
public sealed record TokenizerSettings(string? ChatTemplate, string? BeginOfSequence, string? EndOfSequence, bool? AddBeginOfSequence)
{
    // Ten times the longest templates of today.
    private const long LongestTemplateBytes = 1 << 20;

    /// <summary>The template for conversations with tools, where the model has one of its own (named <c>tool_use</c>).</summary>
    public string? ToolChatTemplate { get; init; }

    /// <summary>Whether every text ends with <see cref="EndOfSequence"/>; null leaves it to <c>tokenizer.json</c>.</summary>
    public bool? AddEndOfSequence { get; init; }

    /// <summary>Tokens outside the model's vocabulary (<c>added_tokens_decoder</c>); they join those of <c>tokenizer.json</c>.</summary>
    internal IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>Reads the files of a model folder; what is absent stays unset.</summary>
    /// <exception cref="CheckpointException">A file is there but cannot be read or is malformed.</exception>
    public static TokenizerSettings Load(string folder)
    {
        string path = Path.Combine(folder, "tokenizer_config.json");
        string own = Path.Combine(folder, "chat_template.jinja");
        string reading = path;
        try
        {
            var settings = File.Exists(path) ? Read(path) : new TokenizerSettings(null, null, null, null);
            reading = own;
            return File.Exists(own) ? settings with { ChatTemplate = ReadTemplate(own) } : settings;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or FormatException)
        {
            throw new CheckpointException($"{reading}: cannot be read: {e.Message}", e);
        }
    }

    private static TokenizerSettings Read(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        var root = document.RootElement;
        return new TokenizerSettings(Template(root, "default"), TokenText(root, "bos_token"), TokenText(root, "eos_token"), Flag(root, "add_bos_token"))
        {
            ToolChatTemplate = Template(root, "tool_use"),
            AddEndOfSequence = Flag(root, "add_eos_token"),
            AddedTokens = ReadAddedTokens(root, path),
        };
    }

    private static string ReadTemplate(string path) => new FileInfo(path).Length <= LongestTemplateBytes
        ? File.ReadAllText(path)
        : throw new CheckpointException($"{path}: is longer than {LongestTemplateBytes} bytes.");

    // One template, or a list of templates with names.
    private static string? Template(JsonElement root, string name)
    {
        if (!root.TryGetProperty("chat_template", out var value) || value.ValueKind != JsonValueKind.Array)
            return name == "default" ? Text(root, "chat_template") : null;
        foreach (var item in value.EnumerateArray())
        {
            if (Text(item, "name") == name)
                return Text(item, "template");
        }
        return null;
    }

    private static List<AddedToken> ReadAddedTokens(JsonElement root, string path)
    {
        var tokens = new List<AddedToken>();
        if (!root.TryGetProperty("added_tokens_decoder", out var list) || list.ValueKind != JsonValueKind.Object)
            return tokens;
        foreach (var entry in list.EnumerateObject())
        {
            if (!int.TryParse(entry.Name, System.Globalization.CultureInfo.InvariantCulture, out int id))
                throw new CheckpointException($"{path}: added_tokens_decoder has the key '{entry.Name}'; keys are token ids.");
            tokens.Add(AddedToken.Read(entry.Value, id, $"{path}: added_tokens_decoder.{entry.Name}"));
        }
        return tokens;
    }

    private static bool? Flag(JsonElement root, string name) => !root.TryGetProperty(name, out var value)
        ? null
        : value.ValueKind switch { JsonValueKind.True => true, JsonValueKind.False => false, _ => null };

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    // A token is written as its text or, by older tools, as an object with its text in "content".
    private static string? TokenText(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? Text(value, "content") : Text(root, name);
}
