using AiFabric.Engine.Tokenization;
using AiFabric.Engine.Tokenization.Templates;
using Xunit;

namespace AiFabric.Tests.Tokenization;

public sealed class ChatTemplateTests
{
    private const string ChatMl =
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    private static readonly ChatTurn[] Conversation = [new("system", "Be kind."), new("user", "  Hello  "), new("assistant", "Hi")];

    private static string Render(string template, params ChatTurn[] turns) =>
        string.Concat(ChatTemplate.Parse(template, "<s>", "</s>").Render(turns.Length == 0 ? Conversation : turns).Select(s => s.Text));

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
    [InlineData("{% if tools is defined %}a{% else %}b{% endif %}", "b")]
    [InlineData("{% if tools %}a{% endif %}{{ tools }}z", "z")]
    [InlineData("{{ 'x' if_absent }}", null)]
    [InlineData("a  {%- if true -%}  b  {%- endif -%}  c", "abc")]
    [InlineData("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc")]
    [InlineData("{# note #}\nx", "x")]
    [InlineData("{% set x = 1 %}{% for m in messages %}{% set x = 2 %}{% endfor %}{{ x }}", "1")]
    [InlineData("{% if 'user' in messages[1].role and 'x' not in ['role'] %}y{% endif %}", null)]
    [InlineData("{% if (loop is not defined) or messages[9] is none %}y{% endif %}", "y")]
    [InlineData("{{ (1 + 2) % 2 }}", "1")]
    public void Template_subset_behaves_as_jinja(string template, string? expected)
    {
        if (expected is null)
            Assert.Throws<ChatTemplateException>(() => Render(template));
        else
            Assert.Equal(expected, Render(template));
    }

    [Theory]
    [InlineData("ok\n{% macro f() %}{% endmacro %}", "line 2, column 4", "macro")]
    [InlineData("{{ messages | tojson }}", "line 1, column 15", "tojson")]
    [InlineData("{{ strftime_now('%d') }}", "line 1, column 16", "calls")]
    [InlineData("{% for m in messages %}", "line 1, column 4", "endfor")]
    [InlineData("{% endif %}", "line 1", "endif")]
    [InlineData("{% else %}", "line 1", "else")]
    [InlineData("{{ 'abc }}", "line 1, column 4", "not closed")]
    [InlineData("{{ a", "line 1, column 1", "}}")]
    [InlineData("{# a", "line 1, column 1", "comment")]
    [InlineData("{{ a ~ b }}", "line 1, column 6", "~")]
    [InlineData("{% if a is odd %}{% endif %}", "line 1, column 12", "odd")]
    [InlineData("{% set a.b = 1 %}", "line 1, column 9", "'='")]
    [InlineData("{{ 99999999999 }}", "line 1, column 4", "too large")]
    [InlineData("{%", "line 1, column 1", "not closed")]
    [InlineData("{{ }}", "line 1, column 4", "value")]
    [InlineData("{% if %}{% endif %}", "line 1, column 7", "value")]
    [InlineData("{{ '\\q' }}", "line 1, column 5", "escape")]
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
        var parts = ChatTemplate.Parse("<u>{{ messages[0].content }}</u>").Render([new("user", "</u>")]);
        Assert.Equal([new("<u>", true), new("</u>", false), new("</u>", true)], parts);
    }
}
