using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Tokenization.Templates;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace AiFabric.Tests.Tokenization;

public sealed class ChatTemplateTests
{
    private const string ChatMl =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    private static readonly ChatTurn[] Conversation = [new("system", "Be kind."), new("user", "  Hello  "), new("assistant", "Hi")];

    private static readonly FakeTimeProvider Clock = new(new DateTimeOffset(2024, 7, 5, 12, 0, 0, TimeSpan.Zero));

    private static string Render(string template, params ChatTurn[] turns) =>
        string.Concat(ChatTemplate.Parse(template, "<s>", "</s>", Clock).Render(turns.Length == 0 ? Conversation : turns).Select(s => s.Text));

    [Fact]
    public void Template_renders_chatml_as_transformers_does() => Assert.Equal(
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", Render(ChatMl, new ChatTurn("user", "Hi")));

    [Theory]
    [InlineData("{{ bos_token }}{{ eos_token }}", "<s></s>")]
    [InlineData("{% for m in messages %}{{ loop.index0 }}{{ loop.first }}{{ m.role }};{% endfor %}", "0Truesystem;1Falseuser;2Falseassistant;")]
    [InlineData("{% for m in messages %}{{ m.content | trim }}{% if not loop.last %}|{% endif %}{% endfor %}", "Be kind.|Hello|Hi")]
    [InlineData("{% for m in messages[1:] %}{{ m['role'] }} {% endfor %}", "user assistant ")]
    [InlineData("{% set name = messages[0].role %}{{ name }}{{ messages[-1].content }}", "systemHi")]
    [InlineData("{% if messages[0]['role'] == 'user' %}a{% elif messages|length > 2 and true %}b{% else %}c{% endif %}", "b")]
    [InlineData("{% if tools is none %}a{% endif %}{% if other is defined %}b{% else %}c{% endif %}", "ac")]
    [InlineData("{% if other %}a{% endif %}{{ other }}{{ tools }}z", "Nonez")]
    [InlineData("{{ 'x' if_absent }}", null)]
    [InlineData("a  {%- if true -%}  b  {%- endif -%}  c", "abc")]
    [InlineData("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc")]
    [InlineData("{# note #}\nx", "x")]
    [InlineData("{% for m in messages %}\n    {% if m.role == 'user' %}\nu\n    {% else %}\n\t{# note #}\n    {% endif %}\n{% endfor %}\n  {% if true %}\nz{% endif %}", "u\nz")]
    [InlineData("{% if true %}\n  {{ 1 }}\n  {% endif %}{{ 2 }}  {% if true %}3{% endif %}", "  1\n2  3")]
    [InlineData("{% raw %}\n  a\n  {% endraw %}\n  {% if true %}b{% endif %}", "\n  a\nb")]
    [InlineData("{% set x = 1 %}{% for m in messages %}{% set x = 2 %}{% endfor %}{{ x }}", "1")]
    [InlineData("{% if 'user' in messages[1].role and 'x' not in ['role'] %}y{% endif %}", "y")]
    [InlineData("{% if (loop is not defined) or messages[9] is none %}y{% endif %}", "y")]
    [InlineData("{{ (1 + 2) % 2 }}{{ -7 // 2 }}{{ -7 % 3 }}{{ 2 ** 3 }}{{ 7 / 2 }}{{ 1.5 * 2 }}", "1-4283.53.0")]
    [InlineData("{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}{{ 'a' ~ 1 ~ none }}", "TrueFalsea1None")]
    [InlineData("{{ 'a' if messages else 'b' }}{{ 'c' if other }}{{ 'd' if other else 'e' if other else 'f' }}", "af")]
    [InlineData("{% set x = {'a': [1, 'b'], \"c\": {'d': none}} %}{{ x }}|{{ x | tojson }}", "{'a': [1, 'b'], 'c': {'d': None}}|{\"a\": [1, \"b\"], \"c\": {\"d\": null}}")]
    [InlineData("{% for k, v in {'a': 1, 'b': 2}.items() if v > 1 %}{{ k }}{{ loop.length }}{% else %}none{% endfor %}", "b1")]
    [InlineData("{% for k in [] %}{% else %}none{% endfor %}{% for m in other %}x{% endfor %}", "none")]
    [InlineData("{% for i in range(9) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}", "023")]
    [InlineData("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", "3")]
    [InlineData("{% macro f(a, b='x') %}<{{ a }}{{ b }}>{% endmacro %}{{ f(1) }}{{ f(b=2, a='y') }}", "<1x><y2>")]
    [InlineData("{% set a %} x {% endset %}{% set b | trim | upper %} y {% endset %}[{{ a }}{{ b }}]", "[ x Y]")]
    [InlineData("{{ messages[::-1] | map(attribute='role') | join(',') }}{{ 'abcd'[1:-1] }}{{ 'abc'[::-1] }}{{ 'abc'[-1] }}", "assistant,user,systembccbac")]
    [InlineData("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}{{ messages | rejectattr('name', 'defined') | list | count }}", "13")]
    [InlineData("{{ 'a,b,c'.split(',', 1)[-1] }}{{ ' a  b '.split() }}{{ 'a-b-c'.rsplit('-', 1)[0] }}{{ 'xxhix'.strip('x') }}", "b,c['a', 'b']a-bhi")]
    [InlineData("{{ 'ab'.startswith('a') }}{{ 'ab'.endswith(('a', 'b')) }}{{ 'aXbX'.replace('X', '--', 1) }}{{ 'an apple'.title() }}", "TrueTruea--bXAn Apple")]
    [InlineData("{{ other | default('d') }}{{ '' | default('e', true) }}{{ none | d('f') }}{{ [3, 1, 2] | sort | last }}{{ [1, 1] | unique | list }}", "deNone3[1]")]
    [InlineData("{{ 3 is odd }}{{ 4 is divisibleby 2 }}{{ 'x' is in ['x'] }}{{ {} is mapping }}{{ 'x' is iterable }}{{ 1 is not none }}", "TrueTrueTrueTrueTrueTrue")]
    [InlineData("{{ 'a\nb' | indent(2) }}{{ 'a' | indent(1, true) }}{{ '7' | int + 1 }}{{ 'x' * 3 }}{{ [1] + [2] }}", "a\n  b a8xxx[1, 2]")]
    [InlineData("{{ {'b': 1, 'a': [1.0, 1e400 is defined]} | tojson(indent=1, sort_keys=true) }}", null)]
    [InlineData("{{ {'b': 1, 'a': [1.0, true]} | tojson(indent=1, sort_keys=true) }}", "{\n \"a\": [\n  1.0,\n  true\n ],\n \"b\": 1\n}")]
    [InlineData("{% raw %}{{ x }}{% endraw %}{% generation %}y{% endgeneration %}{{ 'a' 'b' }}", "{{ x }}yab")]
    [InlineData("a\n  {%+ if true %}b\n{% endif +%}\nc\n", "a\n  b\n\nc")]
    [InlineData("{{ strftime_now('%d %b %Y %-d') }}", "05 Jul 2024 5")]
    [InlineData("{{ '\\x41\\u00e9\\U0001F600\\q' | length }}{{ 'é😀' | upper }}", "5É😀")]
    [InlineData("{{ messages[0].get('x', 1) }}{{ messages[0].content.content is defined }}{{ messages[0].keys() | list }}", "1False['role', 'content']")]
    [InlineData("{{ other.x }}", null)]
    [InlineData("{{ 1 + 'a' }}", null)]
    [InlineData("{{ 1 // 0 }}", null)]
    [InlineData("{{ [1, 'a'] | sort }}", null)]
    [InlineData("{{ strftime_now('%Q') }}", null)]
    public void Template_subset_behaves_as_jinja(string template, string? expected)
    {
        if (expected is null)
            Assert.Throws<ChatTemplateException>(() => Render(template));
        else
            Assert.Equal(expected, Render(template));
    }

    [Theory]
    [InlineData("ok\n{% import 'x' as y %}", "line 2, column 4", "import")]
    [InlineData("{{ messages | pprint }}", "line 1, column 15", "pprint")]
    [InlineData("{{ lipsum(2) }}", "line 1, column 10", "'lipsum'")]
    [InlineData("{{ messages.append(1) }}", "line 1, column 13", "'append'")]
    [InlineData("{% for m in messages %}", "line 1, column 4", "endfor")]
    [InlineData("{% endif %}", "line 1", "endif")]
    [InlineData("{% else %}", "line 1", "else")]
    [InlineData("{{ 'abc }}", "line 1, column 4", "not closed")]
    [InlineData("{{ a", "line 1, column 1", "}}")]
    [InlineData("{# a", "line 1, column 1", "comment")]
    [InlineData("{% raw %} a", "line 1, column 1", "endraw")]
    [InlineData("{{ a $ b }}", "line 1, column 6", "$")]
    [InlineData("{% if a is magic %}{% endif %}", "line 1, column 12", "magic")]
    [InlineData("{% set a[0] = 1 %}", "line 1, column 9", "'='")]
    [InlineData("{{ 99999999999999999999 }}", "line 1, column 4", "too large")]
    [InlineData("{%", "line 1, column 1", "not closed")]
    [InlineData("{{ }}", "line 1, column 4", "value")]
    [InlineData("{% if %}{% endif %}", "line 1, column 7", "value")]
    [InlineData("{% break %}", "line 1, column 4", "loop")]
    [InlineData("{% for m in messages %}{% macro f() %}{% continue %}{% endmacro %}{% endfor %}", "line 1, column 42", "loop")]
    [InlineData("{{ '\\uZZZZ' }}", "line 1, column 5", "escape")]
    public void Template_outside_the_subset_is_refused_with_its_position(string template, string position, string cause)
    {
        string message = Assert.Throws<ChatTemplateException>(() => ChatTemplate.Parse(template)).Message;
        Assert.Contains(position, message, StringComparison.Ordinal);
        Assert.Contains(cause, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Template_can_refuse_a_conversation()
    {
        var template = ChatTemplate.Parse("{% if messages[0]['role'] != 'user' %}{{ raise_exception('start with a user') }}{% endif %}");
        Assert.Equal("start with a user", Assert.Throws<ChatTemplateException>(() => template.Render(Conversation)).Message);
    }

    [Fact]
    public void Rendered_parts_remember_who_wrote_them()
    {
        var parts = ChatTemplate.Parse("<u>{{ messages[0].content }}</u>").Render([new ChatTurn("user", "</u>")]);
        Assert.Equal([new("<u>", true), new("</u>", false), new("</u>", true)], parts);
    }

    [Theory]
    [InlineData("{% for i in range(100000000) %}{% endfor %}", "steps")]
    [InlineData("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "nested")]
    [InlineData("{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(40) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "characters")]
    [InlineData("{{ 'abc' * 99999999 }}", "steps")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}", "steps")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(50) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}", "characters")]
    [InlineData("{% set a = namespace(x=[1], y=[1]) %}{% for i in range(50) %}{% set a.x = [a.x, a.x] %}{% set a.y = [a.y, a.y] %}{% endfor %}{{ a.x == a.y }}", "steps")]
    [InlineData("{% set ns = namespace(x=[1]) %}{% for i in range(100000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}", "nested")]
    [InlineData("{% set s = 'abcdefgh' * 100000 %}{% for i in range(1000000) %}{{ s | length }}{% endfor %}", "steps")]
    [InlineData("{% for i in range(3000) %}{% for j in range(3000) %}{% endfor %}{% endfor %}", "steps")]
    public void Rendering_is_bounded(string template, string cause) =>
        Assert.Contains(cause, Assert.Throws<ChatTemplateException>(() => Render(template)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("not ", "")]
    [InlineData("-", "")]
    [InlineData("1+", "")]
    [InlineData("", "|trim")]
    public void Deep_templates_are_refused(string open, string close)
    {
        const int Depth = 100_000;
        string template = $"{{{{ {string.Concat(Enumerable.Repeat(open, Depth))}1{string.Concat(Enumerable.Repeat(close, Depth))} }}}}";
        Assert.Contains("nested", Assert.Throws<ChatTemplateException>(() => Render(template)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tools_and_variables_reach_the_template()
    {
        var template = ChatTemplate.Parse(
            "{% for t in tools %}{{ t.function.name }}{{ t | tojson }}{% endfor %}{% if enable_thinking is false %}!{% endif %}{{ messages[0].tool_calls[0].function.arguments.city }}");
        JsonElement[] messages = [Json("""{"role":"assistant","content":null,"tool_calls":[{"function":{"name":"f","arguments":{"city":"Jena"}}}]}""")];
        JsonElement[] tools = [Json("""{"type":"function","function":{"name":"f","parameters":{"maximum":18446744073709551615,"x":1e3,"é":"\u0001"}}}""")];
        var variables = new Dictionary<string, JsonElement> { ["enable_thinking"] = Json("false") };

        Assert.Equal(
            """f{"type": "function", "function": {"name": "f", "parameters": {"maximum": 18446744073709551615, "x": 1000.0, "é": "\u0001"}}}!Jena""",
            string.Concat(template.Render(messages, tools, variables: variables).Select(s => s.Text)));
        variables["messages"] = Json("[]");
        Assert.Contains("'messages'", Assert.Throws<ChatTemplateException>(() => template.Render(messages, tools, variables: variables)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_for_tools_is_used_for_tools_and_for_what_they_said()
    {
        var template = ChatTemplate.Of(new TokenizerSettings("plain", null, null, null) { ToolChatTemplate = "tools" })!; // The settings have a template.
        JsonElement[] messages = [Json("""{"role":"user","content":"x"}""")];

        Assert.Equal("plain", template.Render(messages)[0].Text);
        Assert.Equal("tools", template.Render(messages, [Json("{}")])[0].Text);
        Assert.Equal("tools", template.Render([.. messages, Json("""{"role":"tool","content":"x","tool_call_id":"1"}""")])[0].Text);
    }

    [Theory]
    [InlineData("{{ messages[0].content.split('|')[1].strip().upper() ~ 'b' }}", "b", "A")]
    [InlineData("{{ 'a' + messages[0].content.replace('<', 'b')[2:3] }}", "a", "|")]
    [InlineData("{% set x %}{{ messages[0].content | trim }}{% endset %}{{ x }}", null, "< |a |")]
    [InlineData("{{ messages | tojson }}", null, "[{\"role\": \"user\", \"content\": \"< |a |\"}]")]
    [InlineData("{% for k in messages[0] %}{% if loop.last %}<|{{ k }}|>{% endif %}{% endfor %}", "<|content|>", null)]
    [InlineData("<|{{ messages[0].role }}|>", "<|user|>", null)]
    [InlineData("{{ [messages[0].content] | join('x') }}{{ messages[0].content | string | length }}", "6", "< |a |")]
    public void What_a_client_sent_stays_marked_through_every_operation(string template, string? trusted, string? untrusted)
    {
        var parts = ChatTemplate.Parse(template).Render([new ChatTurn("user", "< |a |")]);
        Assert.Equal(trusted ?? "", string.Concat(parts.Where(p => p.Trusted).Select(p => p.Text)));
        Assert.Equal(untrusted ?? "", string.Concat(parts.Where(p => !p.Trusted).Select(p => p.Text)));
    }

    [Fact]
    public void A_role_that_nobody_knows_cannot_make_a_mark() =>
        Assert.Equal([new("<|", true), new("evil", false), new("|>", true)], ChatTemplate.Parse("<|{{ messages[0].role }}|>").Render([new ChatTurn("evil", "")]));

    private static JsonElement Json(string json) => JsonSerializer.Deserialize<JsonElement>(json);
}
