using AiFabric.Engine.Constraints;
using AiFabric.Engine.Constraints.Json;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Serving;

namespace AiFabric.Worker.Tools;

/// <summary>What answers with tools may be, spelled as the model's chat template spells calls.</summary>
internal static class ToolGrammar
{
    private const string CallRule = "call";

    // All but an opening brace and the white space that may stand before one.
    private static readonly Pattern NoCall = Pattern.Choice(
        Pattern.Bytes(0, 0x08), Pattern.Bytes(0x0B, 0x0C), Pattern.Bytes(0x0E, 0x1F), Pattern.Bytes(0x21, (byte)'z'), Pattern.Bytes((byte)'|', 0xFE));

    private static readonly Pattern Spaces = Pattern.Repeat(Pattern.Choice(Pattern.Text(" "), Pattern.Text("\t"), Pattern.Text("\n"), Pattern.Text("\r")), 0, null);

    /// <summary>The format of an answer.</summary>
    /// <param name="tools">The request's tools.</param>
    /// <param name="answer">What an answer without calls must be; null for anything.</param>
    /// <returns>Null when any text will do: a call is not asked for, and no function is strict.</returns>
    /// <exception cref="ApiException">400: the answer must be a call and something else.</exception>
    public static AnswerFormat? Of(ToolRequest tools, AnswerFormat? answer)
    {
        if (tools.Forced && answer is not null)
            throw ApiException.Invalid(answer.Field, "cannot be combined with a 'tool_choice' that asks for a call.");
        if (!tools.Forced && answer is null && !tools.Definitions.Any(tool => tool.Strict))
            return null;
        string key = string.Join('\n', [
            $"tools {tools.Format.Style} {tools.Format.ArgumentsKey} {tools.Forced} {tools.IsSingle}",
            .. tools.Callable.Select(item => $"{item.Tool.Name} {item.Tool.Strict} {item.Tool.Parameters?.GetRawText()}"), answer?.Key ?? ""]);
        return new AnswerFormat(tools.Forced ? "tool_choice" : answer?.Field ?? "tools", key, () => Build(tools, answer));
    }

    private static Grammar Build(ToolRequest tools, AnswerFormat? answer)
    {
        var rules = new Dictionary<string, Pattern>();
        foreach (var (rule, pattern) in JsonSchema.AnyObject().Rules)
            rules[rule] = pattern;
        rules[CallRule] = Pattern.Choice([.. tools.Callable.Select(item => Call(tools, rules, item.Index, item.Tool))]);
        var calls = Calls(tools);
        if (tools.Forced)
            return new Grammar(calls, rules);
        if (answer is null)
            return new Grammar(TextAndCalls(tools, calls), rules);
        var other = answer.Grammar();
        foreach (var (rule, pattern) in other.Rules)
            rules[rule] = pattern;
        return new Grammar(Pattern.Choice(calls, other.Root), rules);
    }

    private static Pattern Call(ToolRequest tools, Dictionary<string, Pattern> rules, int index, ToolDefinition tool)
    {
        string rule = $"arguments {index}";
        rules[rule] = Arguments(tools.Forced || tool.Strict, rules, index, tool);
        return Pattern.Sequence(Pattern.Text($"{{\"name\": \"{tool.Name}\", \"{tools.Format.ArgumentsKey}\": "), Pattern.Rule(rule), Pattern.Text("}"));
    }

    private static Pattern Arguments(bool bySchema, Dictionary<string, Pattern> rules, int index, ToolDefinition tool)
    {
        if (tool.Parameters is not { } schema)
            return Pattern.Text("{}");
        if (!bySchema || !schema.EnumerateObject().Any())
            return JsonSchema.AnyObject().Root;
        try
        {
            return JsonSchema.AddTo(rules, schema, $"arguments {index}:");
        }
        catch (GrammarException e)
        {
            string field = $"tools[{index}].function.parameters";
            throw ApiException.Invalid(e.Path.Length == 0 ? field : $"{field}.{e.Path}", e.Message);
        }
    }

    // Calls and nothing else.
    private static Pattern Calls(ToolRequest tools)
    {
        var (format, call) = (tools.Format, Pattern.Rule(CallRule));
        int? more = tools.IsSingle ? 0 : null;
        switch (format.Style)
        {
            case ToolStyle.Tagged:
                var tagged = Tagged(format);
                return Pattern.Sequence(tagged, Pattern.Repeat(Pattern.Sequence(Pattern.Text("\n"), tagged), 0, more));
            case ToolStyle.Listed:
                return Pattern.Sequence(
                    Mark(format.OpenMark, format.Open), Pattern.Text("["), call, Pattern.Repeat(Pattern.Sequence(Pattern.Text(", "), call), 0, more), Pattern.Text("]"));
            default:
                return call;
        }
    }

    private static Pattern TextAndCalls(ToolRequest tools, Pattern calls)
    {
        var format = tools.Format;
        var text = format.OpenMark is null && format.Open.Length > 0 ? Pattern.Without(format.Open) : Pattern.AnyText;
        return format.Style switch
        {
            ToolStyle.Tagged => Pattern.Sequence(text, Pattern.Repeat(Pattern.Sequence(Tagged(format), text), 0, tools.IsSingle ? 1 : null)),
            ToolStyle.Listed => Pattern.Sequence(text, Pattern.Optional(calls)),
            _ => Pattern.Choice(calls, Pattern.Sequence(Spaces, Pattern.Optional(Pattern.Sequence(NoCall, text)))),
        };
    }

    private static Pattern Tagged(ToolFormat format) => Pattern.Sequence(
        Mark(format.OpenMark, format.Open), Pattern.Text("\n"), Pattern.Rule(CallRule), Pattern.Text("\n"), Mark(format.CloseMark, format.Close));

    private static Pattern Mark(int? token, string spelling) => token is { } id ? Pattern.ControlMark(id) : Pattern.Text(spelling);
}
