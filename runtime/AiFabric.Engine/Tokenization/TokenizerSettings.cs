using System.Text.Json;
using AiFabric.Engine.Weights;

namespace AiFabric.Engine.Tokenization;

/// <summary>What a model folder's <c>tokenizer_config.json</c> says about conversations; all of it may be absent.</summary>
/// <param name="ChatTemplate">The Jinja template that turns messages into a prompt.</param>
/// <param name="BeginOfSequence">The text of the token that opens a sequence.</param>
/// <param name="EndOfSequence">The text of the token that ends a text.</param>
/// <param name="AddBeginOfSequence">Whether every prompt opens with <paramref name="BeginOfSequence"/>.</param>
public sealed record TokenizerSettings(string? ChatTemplate, string? BeginOfSequence, string? EndOfSequence, bool AddBeginOfSequence)
{
    /// <summary>Reads the file of a model folder; an absent file leaves everything unset.</summary>
    /// <exception cref="CheckpointException">The file is there but cannot be read or is malformed.</exception>
    public static TokenizerSettings Load(string folder)
    {
        string path = Path.Combine(folder, "tokenizer_config.json");
        if (!File.Exists(path))
            return new TokenizerSettings(null, null, null, false);
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = document.RootElement;
            return new TokenizerSettings(
                Text(root, "chat_template"), TokenText(root, "bos_token"), TokenText(root, "eos_token"),
                root.TryGetProperty("add_bos_token", out var add) && add.ValueKind == JsonValueKind.True);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new CheckpointException($"{path}: cannot be read: {e.Message}", e);
        }
    }

    private static string? Text(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    // A token is written as its text or, by older tools, as an object with its text in "content".
    private static string? TokenText(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? Text(value, "content") : Text(root, name);
}
