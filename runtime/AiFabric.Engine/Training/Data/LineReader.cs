using System.Text.Json;
using AiFabric.Engine.Tokenization.Templates;

namespace AiFabric.Engine.Training.Data;

/// <summary>Reads one line of a data set into the segments of each of its sequences. Every refusal says what the line lacks.</summary>
internal static class LineReader
{
    private static readonly string[] Roles = ["system", "user", "assistant"];

    /// <exception cref="FormatException">The line is not what the format asks for.</exception>
    public static IReadOnlyList<IReadOnlyList<TextSegment>> Read(string line, DatasetFormat format, SampleEncoder encoder)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new FormatException($"expected a JSON object, found {Kind(root)}");
            return format switch
            {
                DatasetFormat.Text => [[new TextSegment(Text(root, "text"), true, false)]],
                DatasetFormat.PromptCompletion => [Answered(root, "completion")],
                DatasetFormat.Chat => Conversation(Messages(root, "messages"), encoder),
                DatasetFormat.Preference when root.TryGetProperty("input", out _) => [Preferred(root, "preferred_output", encoder), Preferred(root, "non_preferred_output", encoder)],
                DatasetFormat.Preference => [Answered(root, "chosen"), Answered(root, "rejected")],
                _ => throw new ArgumentOutOfRangeException(nameof(format), format, null),
            };
        }
        catch (JsonException e)
        {
            throw new FormatException($"is not valid JSON: {e.Message}", e);
        }
        catch (ChatTemplateException e)
        {
            throw new FormatException($"the model's chat template refuses the conversation: {e.Message.TrimEnd('.')}", e);
        }
        catch (InvalidOperationException e)
        {
            // Valid JSON, and no Unicode text.
            throw new FormatException("is not valid Unicode text: it has half of a surrogate pair, such as \\ud83d alone", e);
        }
    }

    private static List<TextSegment> Answered(JsonElement root, string answer) =>
        [new TextSegment(Text(root, "prompt", mayBeEmpty: true), false, false), new TextSegment(Text(root, answer), true, false)];

    // What was said before, and one answer to it.
    private static List<TextSegment> Preferred(JsonElement root, string answer, SampleEncoder encoder)
    {
        JsonElement input = root.GetProperty("input");
        if (input.ValueKind != JsonValueKind.Object)
            throw new FormatException($"field 'input' must be an object, found {Kind(input)}");
        List<ChatTurn> before = [.. Messages(input, "messages", needsAnswer: false).Select(turn => turn with { IsLearned = false })];
        return Conversation([.. before, .. Messages(root, answer)], encoder) is [var only]
            ? only
            : throw new FormatException($"field '{answer}' has several messages of the assistant, and the model's chat template changes earlier ones when one is added: give one");
    }

    private static string Text(JsonElement item, string field, bool mayBeEmpty = false)
    {
        if (!item.TryGetProperty(field, out JsonElement value))
            throw new FormatException($"has no field '{field}'");
        if (value.ValueKind != JsonValueKind.String)
            throw new FormatException($"field '{field}' must be a string, found {Kind(value)}");
        string text = value.GetString() ?? string.Empty;
        return text.Length > 0 || mayBeEmpty ? text : throw new FormatException($"field '{field}' is empty");
    }

    private static List<ChatTurn> Messages(JsonElement root, string field, bool needsAnswer = true)
    {
        RefuseCalls(root, "tools", "functions");
        if (!root.TryGetProperty(field, out JsonElement list))
            throw new FormatException($"has no field '{field}'");
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() == 0)
            throw new FormatException($"field '{field}' must be a list of at least one message");
        var turns = new List<ChatTurn>();
        foreach (JsonElement item in list.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Object)
                throw new FormatException($"{field}[{turns.Count}] must be an object, found {Kind(item)}");
            try
            {
                RefuseCalls(item, "tool_calls", "function_call");
                turns.Add(new ChatTurn(Text(item, "role"), Text(item, "content", mayBeEmpty: true), Weight(item)));
            }
            catch (FormatException e)
            {
                throw new FormatException($"{field}[{turns.Count}] {e.Message}", e);
            }

            if (!Roles.Contains(turns[^1].Role))
                throw new FormatException($"{field}[{turns.Count - 1}] has role '{turns[^1].Role}'; system, user and assistant are supported");
        }

        return !needsAnswer || turns.Exists(turn => turn is { Role: "assistant", IsLearned: true })
            ? turns
            : throw new FormatException("has no message of the assistant to learn from");
    }

    // Dropped, they would teach the model to answer with nothing where it should call.
    private static void RefuseCalls(JsonElement item, params ReadOnlySpan<string> fields)
    {
        foreach (string field in fields)
        {
            if (item.TryGetProperty(field, out JsonElement value) && value.ValueKind != JsonValueKind.Null)
                throw new FormatException($"has '{field}', which finetuning does not support: only the text in 'content' is learned, so put it there or leave the line out");
        }
    }

    private static bool Weight(JsonElement message)
    {
        if (!message.TryGetProperty("weight", out JsonElement weight) || weight.ValueKind == JsonValueKind.Null)
            return true;
        return weight.ValueKind == JsonValueKind.Number && weight.GetDouble() is 0 or 1
            ? weight.GetDouble() == 1
            : throw new FormatException($"has weight {weight.GetRawText()}; it must be 0 or 1");
    }

    /// <summary>
    /// Splits the rendered conversation where the assistant's answers begin and end: what the template writes after opening the
    /// answer, its closing mark included, is learned. A template that writes earlier messages in another way once others follow (Qwen 3 leaves their
    /// thoughts out) gives a sequence for each answer, so that each is learned behind what the model reads when it is served.
    /// </summary>
    private static List<List<TextSegment>> Conversation(List<ChatTurn> turns, SampleEncoder encoder)
    {
        if (encoder.RenderChat is not { } render)
            throw new FormatException("the model has no chat template, so that conversations cannot be rendered: use the format Text or PromptCompletion");
        var sequences = new List<List<TextSegment>>();
        string written = string.Empty;
        for (int i = 0; i < turns.Count; i++)
        {
            if (turns[i] is not { Role: "assistant", IsLearned: true })
                continue;
            string opened = render(turns[..i], true);
            if (sequences.Count == 0 || !opened.StartsWith(written, StringComparison.Ordinal))
            {
                sequences.Add([]);
                written = string.Empty;
            }

            written = Append(sequences[^1], written, opened, learned: false);
            written = Append(sequences[^1], written, render(turns[..(i + 1)], false), learned: true);
        }

        return sequences;
    }

    private static string Append(List<TextSegment> segments, string written, string rendered, bool learned)
    {
        if (!rendered.StartsWith(written, StringComparison.Ordinal))
            throw new FormatException("the chat template opens an answer in another way than it writes one, so that the assistant's part cannot be told apart");
        if (rendered.Length > written.Length)
            segments.Add(new TextSegment(rendered[written.Length..], learned, true));
        return rendered;
    }

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "a boolean",
    };
}
