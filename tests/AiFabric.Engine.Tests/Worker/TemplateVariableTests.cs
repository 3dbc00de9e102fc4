using System.Text.Json;
using AiFabric.Tests.Tokenization;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>Variables that a request gives to the model's chat template.</summary>
public sealed class TemplateVariableTests
{
    private const string Template = "{{ messages[0].content }}{% if enable_thinking is defined and enable_thinking is false %}<turn>{% endif %}{{ style }}";

    [Theory]
    [InlineData("""{"enable_thinking": false}""", "Hi#")]
    [InlineData("""{"enable_thinking": true, "style": "<turn>"}""", "Hi<turn>")] // A client's text forges no mark.
    [InlineData("{}", "Hi")]
    [InlineData("null", "Hi")]
    public async Task Variables_of_a_request_reach_the_chat_template(string variables, string expected)
    {
        var backend = new ScriptedBackend { Tokenizer = TinyTokenizer.Load(Template) };
        await using var worker = await RunningWorker.StartAsync(backend);
        var body = new { model = "demo", messages = new[] { new { role = "user", content = "Hi" } }, chat_template_kwargs = JsonSerializer.Deserialize<JsonElement>(variables) };
        int[] tokens = [.. expected.Select(c => c == '#' ? TinyTokenizer.Turn : (int)c)];

        await worker.PostJsonAsync("/v1/chat/completions", body);
        Assert.Equal(tokens, backend.Requests[^1].PromptTokens);
        var counted = await worker.PostJsonAsync("/tokenize", body);
        Assert.Equal(tokens, counted.GetProperty("tokens").EnumerateArray().Select(token => token.GetInt32()));
    }
}
