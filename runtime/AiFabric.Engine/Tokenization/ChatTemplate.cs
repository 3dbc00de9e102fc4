using System.Text.Json;
using AiFabric.Engine.Tokenization.Templates;

namespace AiFabric.Engine.Tokenization;

/// <summary>One message of a conversation.</summary>
public sealed record ChatTurn(string Role, string Content);

/// <summary>
/// Turns a conversation into a prompt by the model's Jinja template. Thread safe; a rendering is bounded in steps and characters, because the
/// template comes with the model.
/// </summary>
/// <remarks>
/// What templates may use is listed in docs/tokenizers.md; anything else is refused, with line and column, when the template is read.
/// Source: Jinja 3 template designer documentation; Hugging Face transformers, <c>apply_chat_template</c>.
/// </remarks>
public sealed class ChatTemplate
{
    // Roles that templates print between control marks: '<|' + message['role'] + '|>' must become one.
    private static readonly string[] KnownRoles = ["system", "developer", "user", "assistant", "tool"];
    private static readonly string[] OwnVariables = ["messages", "tools", "add_generation_prompt", "bos_token", "eos_token"];

    private readonly IReadOnlyList<TemplateNode> nodes;
    private readonly IReadOnlyList<TemplateNode>? toolNodes;
    private readonly TokenizerSettings settings;
    private readonly TimeProvider time;

    private ChatTemplate(IReadOnlyList<TemplateNode> nodes, IReadOnlyList<TemplateNode>? toolNodes, TokenizerSettings settings, TimeProvider time) =>
        (this.nodes, this.toolNodes, this.settings, this.time) = (nodes, toolNodes, settings, time);

    /// <summary>Reads a template.</summary>
    /// <param name="template">Jinja.</param>
    /// <param name="beginOfSequence">The variable <c>bos_token</c>.</param>
    /// <param name="endOfSequence">The variable <c>eos_token</c>.</param>
    /// <param name="time">The clock of <c>strftime_now</c>.</param>
    /// <exception cref="ChatTemplateException">It is malformed or uses something outside the subset; the message names line and column.</exception>
    public static ChatTemplate Parse(string template, string? beginOfSequence = null, string? endOfSequence = null, TimeProvider? time = null) =>
        new(TemplateParser.Parse(template), null, new TokenizerSettings(template, beginOfSequence, endOfSequence, null), time ?? TimeProvider.System);

    /// <summary>Reads the templates of a model folder.</summary>
    /// <returns>Null when the model has none.</returns>
    /// <exception cref="ChatTemplateException">One is malformed or uses something outside the subset.</exception>
    public static ChatTemplate? Of(TokenizerSettings settings, TimeProvider? time = null) => settings.ChatTemplate is not { } template
        ? null
        : new(
            TemplateParser.Parse(template), settings.ToolChatTemplate is { } tools ? TemplateParser.Parse(tools) : null, settings, time ?? TimeProvider.System);

    /// <summary>Whether a caller may set a variable of this name; others are the conversation's or the model's, or functions.</summary>
    public static bool MaySet(string variable) => !OwnVariables.Contains(variable) && !TemplateGlobals.Known.ContainsKey(variable);

    /// <summary>Renders a conversation of plain text.</summary>
    /// <param name="messages">The messages in order.</param>
    /// <param name="addGenerationPrompt">Whether the prompt ends where the assistant's answer begins.</param>
    /// <returns>Runs of text, each marked with whether the template or the client wrote it.</returns>
    /// <exception cref="ChatTemplateException">The template refuses this conversation (<c>raise_exception</c>) or fails on it.</exception>
    public IReadOnlyList<PromptSegment> Render(IReadOnlyList<ChatTurn> messages, bool addGenerationPrompt = true) =>
        Render(messages.Select(object? (turn) => MessageOf(turn)).ToList(), null, addGenerationPrompt, null);

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">
    /// The messages in order, as OpenAI's API has them: objects with role, content, and, where they have any, tool_calls, tool_call_id, name. Templates
    /// expect the arguments of a tool call as an object, where OpenAI's clients send them as a string.
    /// </param>
    /// <param name="tools">The tools as OpenAI's API has them; null without any. Models with a template of their own for tools get that one.</param>
    /// <param name="addGenerationPrompt">Whether the prompt ends where the assistant's answer begins.</param>
    /// <param name="variables">More variables, such as <c>enable_thinking</c> or <c>documents</c> (vLLM's <c>chat_template_kwargs</c>).</param>
    /// <returns>Runs of text, each marked with whether the template or the client wrote it.</returns>
    /// <exception cref="ChatTemplateException">
    /// The template refuses this conversation (<c>raise_exception</c>) or fails on it, or a variable is one that nobody <see cref="MaySet"/>.
    /// </exception>
    public IReadOnlyList<PromptSegment> Render(
        IReadOnlyList<JsonElement> messages, IReadOnlyList<JsonElement>? tools = null, bool addGenerationPrompt = true,
        IReadOnlyDictionary<string, JsonElement>? variables = null)
    {
        // The other template would leave earlier calls and their results out.
        if (toolNodes is not null && messages.Any(IsOfTools))
            tools ??= [];
        return Render(messages.Select(MessageOf).ToList(), tools?.Select(TemplateValues.FromJson).ToList(), addGenerationPrompt, variables);
    }

    /// <summary>Encodes a rendered conversation. Control marks count only where the template wrote them, so that a message cannot forge one.</summary>
    public static int[] Encode(HuggingFaceTokenizer tokenizer, IReadOnlyList<PromptSegment> prompt) => tokenizer.Encode(prompt);

    private IReadOnlyList<PromptSegment> Render(
        List<object?> messages, List<object?>? tools, bool addGenerationPrompt, IReadOnlyDictionary<string, JsonElement>? variables)
    {
        var run = new TemplateRun(time);
        var scope = new TemplateScope(run);
        // As in transformers, these two are none rather than undefined where there are none.
        scope.Set("documents", null);
        scope.Set("tools", tools);
        foreach (var (name, value) in variables ?? new Dictionary<string, JsonElement>())
        {
            if (!MaySet(name))
                throw new ChatTemplateException($"The template's variable '{name}' cannot be set.");
            scope.Set(name, TemplateValues.FromJson(value));
        }
        scope.Set("messages", messages);
        scope.Set("add_generation_prompt", addGenerationPrompt);
        scope.Set("bos_token", TemplateText.Of(settings.BeginOfSequence ?? "", trusted: true));
        scope.Set("eos_token", TemplateText.Of(settings.EndOfSequence ?? "", trusted: true));
        var output = new TemplateOutput(run);
        TemplateNode.WriteAll(tools is not null && toolNodes is not null ? toolNodes : nodes, scope, output);
        return output.ToText().Segments();
    }

    private static bool IsOfTools(JsonElement message) =>
        message.ValueKind == JsonValueKind.Object && (message.TryGetProperty("tool_calls", out _) || message.TryGetProperty("tool_call_id", out _));

    private static TemplateMap MessageOf(ChatTurn turn)
    {
        var message = new TemplateMap();
        message.Set(Key("role"), RoleOf(turn.Role));
        message.Set(Key("content"), TemplateText.Of(turn.Content, trusted: false));
        return message;
    }

    private static object? MessageOf(JsonElement json)
    {
        object? message = TemplateValues.FromJson(json);
        if (message is TemplateMap map && map["role"] is TemplateText role)
            map.Set(Key("role"), RoleOf(role.Text));
        return message;
    }

    private static TemplateText Key(string name) => TemplateText.Of(name, trusted: true);

    private static TemplateText RoleOf(string role) => TemplateText.Of(role, trusted: KnownRoles.Contains(role));
}
