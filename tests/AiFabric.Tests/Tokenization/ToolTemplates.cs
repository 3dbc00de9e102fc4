namespace AiFabric.Tests.Tokenization;

/// <summary>Small chat templates that define tools, for <see cref="TinyTokenizer"/>: each writes calls as a family of models does.</summary>
internal static class ToolTemplates
{
    /// <summary>As Hermes and Qwen.</summary>
    public const string Tagged =
        """
        {%- if tools %}<turn>system: Tools:{% for t in tools %} {{ t | tojson }}{% endfor %}</s>{% endif %}
        {%- for m in messages %}<turn>{{ m.role }}: {{ m.content }}
        {%- for c in m.tool_calls or [] %}{{ '\n<tool_call>\n{"name": "' ~ c.function.name ~ '", "arguments": ' ~ (c.function.arguments | tojson) ~ '}\n</tool_call>' }}{% endfor %}</s>{% endfor %}
        {%- if add_generation_prompt %}<turn>{{ 'assistant: ' }}{% endif %}
        """;

    /// <summary>As Llama 3.1: one call, which is the whole answer.</summary>
    public const string Bare =
        """
        {%- if tools %}<turn>system: Tools:{% for t in tools %} {{ t | tojson }}{% endfor %}</s>{% endif %}
        {%- for m in messages %}<turn>{{ m.role }}: {% if m.tool_calls %}{% if m.tool_calls | length > 1 %}{{ raise_exception("One call at a time.") }}{% endif %}
        {{- '{"name": "' ~ m.tool_calls[0].function.name ~ '", "parameters": ' ~ (m.tool_calls[0].function.arguments | tojson) ~ '}' }}{% else %}{{ m.content }}{% endif %}</s>{% endfor %}
        {%- if add_generation_prompt %}<turn>{{ 'assistant: ' }}{% endif %}
        """;

    /// <summary>As Mistral; the mark can be a control mark.</summary>
    public const string Listed =
        """
        {%- for m in messages %}{% if m.role == 'user' %}{% if tools and loop.last %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}[INST]{{ m.content }}[/INST]
        {%- elif m.tool_calls is defined %}[TOOL_CALLS][{% for c in m.tool_calls %}{% if c.id | length != 9 %}{{ raise_exception("Ids have length 9.") }}{% endif %}
        {{- (c.function | tojson)[:-1] ~ ', "id": "' ~ c.id ~ '"}' }}{% if not loop.last %}, {% endif %}{% endfor %}]</s>
        {%- elif m.role == 'tool' %}[TOOL_RESULTS]{"content": {{ m.content }}, "call_id": "{{ m.tool_call_id }}"}[/TOOL_RESULTS]
        {%- else %}{{ m.content }}</s>{% endif %}{% endfor %}
        """;
}
