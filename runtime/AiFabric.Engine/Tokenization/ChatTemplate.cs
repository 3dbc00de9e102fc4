using System.Text;
using System.Text.RegularExpressions;
using AiFabric.Engine.Tokenization.Templates;

namespace AiFabric.Engine.Tokenization;

/// <summary>One message of a conversation.</summary>
public sealed record ChatTurn(string Role, string Content);

/// <summary>
/// Turns a conversation into a prompt by the Jinja template of <c>tokenizer_config.json</c>. Thread safe.
/// </summary>
/// <remarks>
/// The supported subset: text; <c>{{ expression }}</c>; <c>for … in …</c> with <c>loop.index/index0/first/last/length</c>; <c>if/elif/else</c>;
/// <c>set name = …</c>; comments; whitespace control by <c>-</c> and, as Hugging Face sets them, trim_blocks and lstrip_blocks.
/// Expressions: strings, integers, true, false, none; names; <c>a.b</c>, <c>a['b']</c>, <c>a[0]</c>, <c>a[1:]</c>; <c>+ % == != &lt; &gt; &lt;= &gt;= in</c>,
/// <c>and or not</c>; filters <c>trim</c> and <c>length</c>; tests <c>is [not] defined|none|string</c>; <c>raise_exception(message)</c>.
/// Variables: <c>messages</c> (role, content), <c>add_generation_prompt</c>, <c>bos_token</c>, <c>eos_token</c>. Anything else is refused when the template is read.
/// Source: Jinja 3 template designer documentation; Hugging Face transformers, <c>apply_chat_template</c>.
/// </remarks>
public sealed class ChatTemplate
{
    private readonly IReadOnlyList<TemplateNode> nodes;
    private readonly string beginOfSequence;
    private readonly string endOfSequence;

    private ChatTemplate(IReadOnlyList<TemplateNode> nodes, string beginOfSequence, string endOfSequence)
    {
        this.nodes = nodes;
        this.beginOfSequence = beginOfSequence;
        this.endOfSequence = endOfSequence;
    }

    /// <summary>Reads a template.</summary>
    /// <exception cref="ChatTemplateException">It is malformed or uses something outside the subset; the message names line and column.</exception>
    public static ChatTemplate Parse(string template, string? beginOfSequence = null, string? endOfSequence = null) =>
        new(TemplateParser.Parse(template), beginOfSequence ?? "", endOfSequence ?? "");

    /// <summary>Renders a conversation.</summary>
    /// <param name="messages">The messages in order.</param>
    /// <param name="addGenerationPrompt">Whether the prompt ends where the assistant's answer begins.</param>
    /// <returns>Runs of text, each marked with whether the template or the client wrote it.</returns>
    /// <exception cref="ChatTemplateException">The template refuses this conversation (<c>raise_exception</c>) or fails on it.</exception>
    public IReadOnlyList<PromptSegment> Render(IReadOnlyList<ChatTurn> messages, bool addGenerationPrompt = true)
    {
        var scope = new TemplateScope();
        scope.Set("messages", messages.Select(object? (m) => new Dictionary<string, object?>
        {
            ["role"] = TemplateText.Of(m.Role, trusted: false),
            ["content"] = TemplateText.Of(m.Content, trusted: false),
        }).ToList());
        scope.Set("add_generation_prompt", addGenerationPrompt);
        scope.Set("bos_token", TemplateText.Of(beginOfSequence, trusted: true));
        scope.Set("eos_token", TemplateText.Of(endOfSequence, trusted: true));
        var output = new List<PromptSegment>();
        foreach (var node in nodes)
            node.Write(scope, output);
        return output;
    }

    /// <summary>Encodes a rendered conversation. Control marks count only where the template wrote them, so that a message cannot forge one.</summary>
    public static int[] Encode(HuggingFaceTokenizer tokenizer, IReadOnlyList<PromptSegment> prompt)
    {
        var marks = tokenizer.SpecialIds.ToDictionary(id => Encoding.UTF8.GetString(tokenizer.TokenBytes(id)));
        string pattern = string.Join('|', marks.Keys.Where(m => m.Length > 0).OrderByDescending(m => m.Length).Select(Regex.Escape));
        var ids = new List<int>();
        // Text between two marks is encoded in one piece, whoever wrote its parts, so that words are cut as in training.
        var pending = new StringBuilder();
        foreach (var segment in prompt)
        {
            int start = 0;
            if (segment.Trusted && pattern.Length > 0)
            {
                foreach (Match mark in Regex.Matches(segment.Text, pattern, RegexOptions.CultureInvariant))
                {
                    pending.Append(segment.Text, start, mark.Index - start);
                    Flush(tokenizer, pending, ids);
                    ids.Add(marks[mark.Value]);
                    start = mark.Index + mark.Length;
                }
            }
            pending.Append(segment.Text, start, segment.Text.Length - start);
        }
        Flush(tokenizer, pending, ids);
        return [.. ids];
    }

    private static void Flush(HuggingFaceTokenizer tokenizer, StringBuilder pending, List<int> ids)
    {
        if (pending.Length > 0)
            ids.AddRange(tokenizer.Encode(pending.ToString()));
        pending.Clear();
    }
}
