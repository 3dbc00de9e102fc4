using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Tokenization.Templates;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Errors;

namespace AiFabric.Worker.Serving;

/// <summary>Turns messages or a prompt into tokens.</summary>
internal static class PromptReader
{
    /// <summary>A conversation as the model is to read it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="body">The request.</param>
    /// <param name="messages">Its messages.</param>
    /// <param name="tools">What the template gets as tools; null for none.</param>
    /// <param name="variables">What the template gets besides, by name; null for nothing.</param>
    /// <param name="addGenerationPrompt">Whether the prompt ends where the assistant's answer begins.</param>
    /// <exception cref="ApiException">400: no template, no messages, or one that cannot be read; or a variable that cannot be set.</exception>
    public static int[] OfChat(
        ServedModel model, JsonElement body, IReadOnlyList<ChatMessage>? messages, IReadOnlyList<JsonElement>? tools, JsonElement? variables, bool addGenerationPrompt = true)
    {
        if (messages is null || messages.Count == 0)
            throw new ApiException(400, "The field 'messages' is missing or empty.", "messages", "missing_required_parameter");
        if (model.ChatTemplate is null)
            throw new ApiException(400, $"The model '{model.Name}' has no chat template, so it cannot take messages; use /v1/completions.", "messages", "no_chat_template");
        var turns = new MessageReader(model).Read(body.GetProperty("messages"), messages);
        try
        {
            return ChatTemplate.Encode(model.Backend.Tokenizer, model.ChatTemplate.Render(turns, tools, addGenerationPrompt, VariablesOf(variables)));
        }
        catch (ChatTemplateException e)
        {
            throw new ApiException(400, $"The model's chat template refuses these messages: {e.Message}", "messages", "invalid_messages");
        }
    }

    private static Dictionary<string, JsonElement> VariablesOf(JsonElement? given)
    {
        var variables = new Dictionary<string, JsonElement>();
        if (given is not { ValueKind: JsonValueKind.Object } named)
            return variables;
        foreach (var variable in named.EnumerateObject())
        {
            variables[variable.Name] = ChatTemplate.MaySet(variable.Name)
                ? variable.Value
                : throw ApiException.Invalid($"chat_template_kwargs.{variable.Name}", "cannot be set: other fields or the model say what it is.");
        }
        return variables;
    }

    /// <returns>The tokens, and the text that echo repeats.</returns>
    /// <exception cref="ApiException">400: no prompt, or one that cannot be read.</exception>
    public static (int[] Tokens, string Text) OfText(IModelBackend backend, JsonElement? prompt)
    {
        if (prompt is not { } value || value.ValueKind == JsonValueKind.Null)
            throw new ApiException(400, "The field 'prompt' is missing.", "prompt", "missing_required_parameter");
        if (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 && value[0].ValueKind == JsonValueKind.Number)
            return OfIds(backend, value);
        if (value.ValueKind == JsonValueKind.Array)
        {
            if (value.GetArrayLength() != 1 || value[0].ValueKind != JsonValueKind.String)
                throw ApiException.Invalid("prompt", $"is a list of {value.GetArrayLength()}; it must be a string, a list of one string, or a list of token ids. Send one request for each prompt.");
            value = value[0];
        }
        string text = value.GetString() ?? "";
        int[] ids = Encode(backend, text);
        return ids.Length > 0 ? (ids, text) : throw ApiException.Invalid("prompt", "is empty, and this model has no token that opens a text.");
    }

    /// <summary>A text as the model is to read it, with the token that opens it where the model wants one.</summary>
    /// <returns>Empty for an empty text where no token opens one.</returns>
    public static int[] Encode(IModelBackend backend, string text)
    {
        var tokenizer = backend.Tokenizer;
        int[] ids = tokenizer.Encode(text, addMarks: true);
        return ids.Length == 0 && tokenizer.BeginOfSequenceId is { } begin ? [begin] : ids;
    }

    /// <summary>A list of token ids.</summary>
    /// <param name="backend">Whose tokens.</param>
    /// <param name="list">A JSON array.</param>
    /// <param name="at">The field, for errors.</param>
    /// <exception cref="ApiException">400: an item is no token.</exception>
    public static int[] Ids(IModelBackend backend, JsonElement list, string at)
    {
        var ids = new int[list.GetArrayLength()];
        // By index a list that holds lists is counted through from its beginning for each item.
        foreach (var (i, item) in list.EnumerateArray().Index())
        {
            if (item.ValueKind != JsonValueKind.Number || !item.TryGetInt32(out ids[i]) || (uint)ids[i] >= (uint)backend.Tokenizer.VocabularySize)
                throw ApiException.Invalid($"{at}[{i}]", $"is {item.GetRawText()}; it must be a token id from 0 to {backend.Tokenizer.VocabularySize - 1}.");
        }
        return ids;
    }

    private static (int[] Tokens, string Text) OfIds(IModelBackend backend, JsonElement list)
    {
        int[] ids = Ids(backend, list, "prompt");
        return (ids, Decode(backend, ids, "prompt"));
    }

    /// <summary>The text of tokens.</summary>
    /// <exception cref="ApiException">400: the vocabulary has a hole at an id.</exception>
    public static string Decode(IModelBackend backend, int[] ids, string at)
    {
        try
        {
            return backend.Tokenizer.Decode(ids);
        }
        catch (ArgumentOutOfRangeException e)
        {
            throw ApiException.Invalid(at, $"holds an id that no token has: {e.ActualValue}.");
        }
    }
}
