using System.Net;
using System.Text;
using System.Text.Json;
using AiFabric.Tests.Tokenization;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>Tools, calls and results that cannot be: 400, and the field is named.</summary>
public sealed class BadToolTests : IAsyncLifetime
{
    private const string Tool = """{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}""";
    private const string Call = """{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}""";

    private readonly ScriptedBackend backend = new() { Tokenizer = TinyTokenizer.Load(ToolTemplates.Tagged), MaxContextTokens = 4096 };
    private RunningWorker worker = null!; // Set before every test.

    public async ValueTask InitializeAsync() => worker = await RunningWorker.StartAsync(backend);

    public ValueTask DisposeAsync() => worker.DisposeAsync();

    private async Task RefusedAsync(string body, string param, string cause)
    {
        int before = backend.Requests.Count;
        using var response = await worker.Serving.PostAsync("/v1/chat/completions", new StringContent(body, Encoding.UTF8, "application/json"));
        string answer = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode == HttpStatusCode.BadRequest, $"{(int)response.StatusCode}: {answer}");
        Assert.Equal(before, backend.Requests.Count);
        var error = JsonDocument.Parse(answer).RootElement.GetProperty("error");
        Assert.Equal(("invalid_request_error", param), (error.GetProperty("type").GetString(), error.GetProperty("param").GetString()));
        Assert.Contains(cause, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static string Function(string fields) => "{\"type\":\"function\",\"function\":{" + fields + "}}";

    [Theory]
    [InlineData("{}", "tools[0].type", "missing")]
    [InlineData("""{"type":"retrieval"}""", "tools[0].type", "must be 'function'")]
    [InlineData("""{"type":"function"}""", "tools[0].function", "missing")]
    [InlineData("""{"type":"function","function":"f"}""", "tools[0].function", "is a string")]
    [InlineData("""{"type":"function","function":{"name":"f"},"name":"f"}""", "tools[0].name", "not known")]
    [InlineData("""{"type":"function","function":{}}""", "tools[0].function.name", "must be given")]
    [InlineData("""{"type":"function","function":{"name":"a b"}}""", "tools[0].function.name", "characters")]
    [InlineData("""{"type":"function","function":{"name":5}}""", "tools[0].function.name", "a number")]
    [InlineData("""{"type":"function","function":{"name":"f","description":5}}""", "tools[0].function.description", "a string")]
    [InlineData("""{"type":"function","function":{"name":"f","strict":"yes"}}""", "tools[0].function.strict", "a boolean")]
    [InlineData("""{"type":"function","function":{"name":"f","schema":{}}}""", "tools[0].function.schema", "not known")]
    [InlineData("""{"type":"function","function":{"name":"f","parameters":[]}}""", "tools[0].function.parameters", "a list")]
    [InlineData("""{"type":"function","function":{"name":"f","parameters":{"properties":{}}}}""", "tools[0].function.parameters.type", "'object'")]
    [InlineData("""{"type":"function","function":{"name":"f","parameters":{"type":"string"}}}""", "tools[0].function.parameters.type", "'object'")]
    [InlineData("""{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{"x":{"not":{}}}}}}""",
        "tools[0].function.parameters.properties.x.not", "not supported")]
    [InlineData(Tool + "," + Tool, "tools[1].function.name", "an earlier tool")]
    public async Task A_tool_that_cannot_be_is_named(string tools, string param, string cause) =>
        await RefusedAsync($$"""{"model":"demo","messages":[{"role":"user","content":"Hi"}],"tools":[{{tools}}]}""", param, cause);

    [Theory]
    [InlineData("\"tool_choice\":\"sometimes\"", "tool_choice", "'sometimes'")]
    [InlineData("\"tool_choice\":5", "tool_choice", "a string or an object")]
    [InlineData("\"tool_choice\":{}", "tool_choice.type", "missing")]
    [InlineData("\"tool_choice\":{\"type\":\"allowed_tools\"}", "tool_choice.type", "must be 'function'")]
    [InlineData("\"tool_choice\":{\"type\":\"function\"}", "tool_choice.function", "missing")]
    [InlineData("\"tool_choice\":{\"type\":\"function\",\"function\":{}}", "tool_choice.function.name", "must be given")]
    [InlineData("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}", "tool_choice.function.name", "there are: f")]
    [InlineData("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"},\"mode\":\"auto\"}", "tool_choice.mode", "not known")]
    [InlineData("\"parallel_tool_calls\":\"no\"", "parallel_tool_calls", "a boolean")]
    [InlineData("\"tool_choice\":\"required\",\"response_format\":{\"type\":\"json_object\"}", "response_format", "cannot be combined")]
    [InlineData("\"tool_choice\":\"required\",\"ignore_eos\":true", "ignore_eos", "'tool_choice'")]
    [InlineData("\"tool_choice\":\"required\",\"min_tokens\":5", "min_tokens", "'tool_choice'")]
    public async Task A_choice_that_cannot_be_kept_is_named(string fields, string param, string cause) =>
        await RefusedAsync($$"""{"model":"demo","messages":[{"role":"user","content":"Hi"}],"tools":[{{Tool}}],{{fields}}}""", param, cause);

    [Theory]
    [InlineData("""{"role":"tool","content":"x"}""", "messages[0].tool_call_id", "missing")]
    [InlineData("""{"role":"tool","content":"x","tool_call_id":"a"}""", "messages[0].tool_call_id", "no call")]
    [InlineData(Call + """,{"role":"tool","content":"x","tool_call_id":"b"}""", "messages[1].tool_call_id", "'b'")]
    [InlineData(Call + """,{"role":"tool","content":"x","tool_call_id":"a"},{"role":"tool","content":"x","tool_call_id":"a"}""", "messages[2].tool_call_id", "answers already")]
    [InlineData(Call + """,{"role":"user","content":"x"},{"role":"tool","content":"x","tool_call_id":"a"}""", "messages[2].tool_call_id", "no call")]
    [InlineData(Call + """,{"role":"tool","tool_call_id":"a"}""", "messages[1].content", "missing")]
    [InlineData("""{"role":"user","content":"x","tool_call_id":"a"}""", "messages[0].tool_call_id", "role 'tool'")]
    [InlineData("""{"role":"user","content":"x","tool_calls":[{}]}""", "messages[0].tool_calls", "role 'assistant'")]
    [InlineData("""{"role":"assistant","tool_calls":5}""", "messages[0].tool_calls", "a list")]
    [InlineData("""{"role":"assistant","tool_calls":[]}""", "messages[0].content", "missing")]
    [InlineData("""{"role":"assistant","tool_calls":[5]}""", "messages[0].tool_calls[0]", "a number")]
    [InlineData("""{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f","arguments":"{}"}}]}""", "messages[0].tool_calls[0].id", "missing")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"a","type":"other","function":{"name":"f","arguments":"{}"}}]}""", "messages[0].tool_calls[0].type", "'other'")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}}]}""", "messages[0].tool_calls[0].function.arguments", "missing")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}""", "messages[0].tool_calls[0].function.arguments", "an object")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"a","function":{"arguments":"{}"}}]}""", "messages[0].tool_calls[0].function.name", "must be given")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"a","function":{"name":"f","arguments":"{}"}}]}""",
        "messages[0].tool_calls[1].id", "an earlier call")]
    [InlineData("""{"role":"assistant","content":"x","function_call":{"name":"f","arguments":"{}"}}""", "messages[0].function_call", "not supported")]
    [InlineData("""{"role":"function","content":"x","name":"f"}""", "messages[0].role", "must be one of")]
    public async Task A_message_that_cannot_be_is_named(string messages, string param, string cause) =>
        await RefusedAsync($$"""{"model":"demo","messages":[{{messages}}],"tools":[{{Tool}}]}""", param, cause);

    [Fact]
    public async Task There_are_128_tools_at_most()
    {
        string tools = string.Join(',', Enumerable.Range(0, 129).Select(i => Function($"\"name\":\"f{i}\"")));
        await RefusedAsync($$"""{"model":"demo","messages":[{"role":"user","content":"Hi"}],"tools":[{{tools}}]}""", "tools", "at most 128");
    }
}

/// <summary>The same with a model whose chat template defines no tools.</summary>
public sealed class NoToolsTests
{
    [Theory]
    [InlineData(TinyTokenizer.ChatTemplate, "defines no tools")]
    [InlineData("{{ tools }}{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}@{{ c.function.name }}{% endfor %}{% endfor %}", "form that is not known")]
    public async Task A_model_without_tools_refuses_all_that_is_of_them(string template, string cause)
    {
        await using var worker = await RunningWorker.StartAsync(new ScriptedBackend { Tokenizer = TinyTokenizer.Load(template) });
        object[] tools = [new { type = "function", function = new { name = "f" } }];
        object user = new { role = "user", content = "Hi" };
        object call = new { role = "assistant", tool_calls = new[] { new { id = "a", type = "function", function = new { name = "f", arguments = "{}" } } } };
        foreach (var (path, body, param) in ((string, object, string)[])[
            ("/v1/chat/completions", new { model = "demo", messages = new[] { user }, tools }, "tools"),
            ("/v1/chat/completions", new { model = "demo", messages = new[] { user }, tools, tool_choice = "none" }, "tools"),
            ("/v1/chat/completions", new { model = "demo", messages = new[] { user, call } }, "messages[1].tool_calls"),
            ("/v1/chat/completions", new { model = "demo", messages = new[] { new { role = "tool", content = "x", tool_call_id = "a" } } }, "messages[0].role"),
            ("/tokenize", new { model = "demo", messages = new[] { user }, tools }, "tools"),
            ("/tokenize", new { model = "demo", prompt = "a", tools }, "tools"),
        ])
        {
            using var response = await worker.PostAsync(path, body);
            var error = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement.GetProperty("error");
            Assert.Equal((HttpStatusCode.BadRequest, param), (response.StatusCode, error.GetProperty("param").GetString()));
            Assert.Contains(path == "/tokenize" && param == "tools" && error.GetProperty("code").GetString() == "invalid_value" ? "belongs to 'messages'" : cause, error.GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }
}
