using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class BadRequestTests : IAsyncLifetime
{
    private const string Chat = "/v1/chat/completions";
    private const string Text = "/v1/completions";

    private readonly ScriptedBackend backend = new();
    private RunningWorker worker = null!; // Set before every test.

    public async ValueTask InitializeAsync() => worker = await RunningWorker.StartAsync(backend);

    public ValueTask DisposeAsync() => worker.DisposeAsync();

    private static string With(string fields) => "{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]" + fields + "}";

    private async Task<JsonElement> RefusedAsync(string path, string body, HttpStatusCode status)
    {
        int before = backend.Requests.Count;
        using var response = await worker.Serving.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));
        string answer = await response.Content.ReadAsStringAsync();
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode}: {answer}");
        Assert.Equal(before, backend.Requests.Count);
        var error = JsonDocument.Parse(answer).RootElement.GetProperty("error");
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
        return error;
    }

    [Theory]
    [InlineData(",\"max_tokens\":-1", "max_tokens", "-1")]
    [InlineData(",\"max_tokens\":0", "max_tokens", "0")]
    [InlineData(",\"max_tokens\":\"10\"", "max_tokens", "an integer")]
    [InlineData(",\"max_tokens\":1.5", "max_tokens", "1.5")]
    [InlineData(",\"max_tokens\":99999999999", "max_tokens", "")]
    [InlineData(",\"max_completion_tokens\":-5", "max_completion_tokens", "-5")]
    [InlineData(",\"max_completion_tokens\":5,\"max_tokens\":6", "max_tokens", "differ")]
    [InlineData(",\"temperature\":2.5", "temperature", "from 0 to 2")]
    [InlineData(",\"temperature\":-0.1", "temperature", "-0.1")]
    [InlineData(",\"temperature\":\"hot\"", "temperature", "a number")]
    [InlineData(",\"top_p\":0", "top_p", "above 0")]
    [InlineData(",\"top_p\":1.1", "top_p", "1.1")]
    [InlineData(",\"top_k\":-2", "top_k", "-2")]
    [InlineData(",\"min_p\":2", "min_p", "2")]
    [InlineData(",\"presence_penalty\":3", "presence_penalty", "3")]
    [InlineData(",\"frequency_penalty\":-3", "frequency_penalty", "-3")]
    [InlineData(",\"repetition_penalty\":0", "repetition_penalty", "above 0")]
    [InlineData(",\"n\":0", "n", "from 1 to 16")]
    [InlineData(",\"n\":17", "n", "17")]
    [InlineData(",\"seed\":1.5", "seed", "integer")]
    [InlineData(",\"stream\":\"yes\"", "stream", "a boolean")]
    [InlineData(",\"stop\":7", "stop", "a string or a list")]
    [InlineData(",\"stop\":[\"a\",1]", "stop", "a string or a list")]
    [InlineData(",\"stop\":\"\"", "stop", "empty")]
    [InlineData(",\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]", "stop", "at most 4")]
    [InlineData(",\"stream_options\":{\"include_usage\":true}", "stream_options", "stream")]
    [InlineData(",\"stream\":true,\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage", "boolean")]
    [InlineData(",\"stream\":true,\"stream_options\":{\"other\":true}", "stream_options.other", "not supported")]
    [InlineData(",\"top_logprobs\":2", "top_logprobs", "logprobs")]
    [InlineData(",\"logprobs\":true,\"top_logprobs\":21", "top_logprobs", "21")]
    [InlineData(",\"tools\":[{}]", "tools", "defines no tools")]
    [InlineData(",\"tools\":5", "tools", "a list of objects")]
    [InlineData(",\"tool_choice\":\"auto\"", "tool_choice", "needs 'tools'")]
    [InlineData(",\"tool_choice\":\"always\"", "tool_choice", "must be 'none', 'auto', 'required'")]
    [InlineData(",\"parallel_tool_calls\":1", "parallel_tool_calls", "a boolean")]
    [InlineData(",\"functions\":[{}]", "functions", "not supported")]
    [InlineData(",\"chat_template_kwargs\":\"x\"", "chat_template_kwargs", "an object")]
    [InlineData(",\"chat_template_kwargs\":{\"messages\":[]}", "chat_template_kwargs.messages", "cannot be set")]
    [InlineData(",\"chat_template_kwargs\":{\"range\":1}", "chat_template_kwargs.range", "cannot be set")]
    [InlineData(",\"temprature\":1", "temprature", "not supported")]
    [InlineData(",\"echo\":true", "echo", "not supported")]
    public async Task A_field_that_cannot_be_is_named(string fields, string param, string cause)
    {
        var error = await RefusedAsync(Chat, With(fields), HttpStatusCode.BadRequest);
        Assert.Equal(param, error.GetProperty("param").GetString());
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.Contains(cause, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"response_format":{"type":"json"}}""", "response_format.type", "must be one of")]
    [InlineData("""{"response_format":{}}""", "response_format.type", "missing")]
    [InlineData("""{"response_format":{"type":"json_object","schema":{}}}""", "response_format.schema", "not known")]
    [InlineData("""{"response_format":{"type":"json_schema"}}""", "response_format.json_schema", "missing")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"schema":{}}}}""", "response_format.json_schema.name", "must be given")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{}}}}""", "response_format.json_schema.name", "characters")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"name":"a"}}}""", "response_format.json_schema.schema", "missing")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{},"strict":"yes"}}}""", "response_format.json_schema.strict", "boolean")]
    [InlineData("""{"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{"x":{"type":"string","not":{}}}}}}}""",
        "response_format.json_schema.schema.properties.x.not", "not supported")]
    [InlineData("""{"response_format":{"type":"json_object"},"guided_regex":"a"}""", "guided_regex", "cannot be combined")]
    [InlineData("""{"response_format":{"type":"json_object"},"ignore_eos":true}""", "ignore_eos", "cannot be combined")]
    [InlineData("""{"response_format":{"type":"json_object"},"min_tokens":3}""", "min_tokens", "cannot be combined")]
    [InlineData("""{"structured_outputs":{}}""", "structured_outputs", "exactly one")]
    [InlineData("""{"structured_outputs":{"grammar":"root"}}""", "structured_outputs.grammar", "not known")]
    [InlineData("""{"structured_outputs":{"regex":"(?=a)"}}""", "structured_outputs.regex", "looks around")]
    [InlineData("""{"structured_outputs":{"choice":[]}}""", "structured_outputs.choice", "strings")]
    [InlineData("""{"guided_json":"{"}""", "guided_json", "JSON")]
    [InlineData("""{"guided_choice":[1]}""", "guided_choice", "a list of strings")]
    [InlineData("""{"logit_bias":{"a":1}}""", "logit_bias.a", "token id")]
    [InlineData("""{"logit_bias":{"5":"1"}}""", "logit_bias.5", "a number")]
    [InlineData("""{"logit_bias":{"5":101}}""", "logit_bias.5", "from -100 to 100")]
    [InlineData("""{"logit_bias":{"99999":1}}""", "logit_bias.99999", "token")]
    [InlineData("""{"stop_token_ids":["a"]}""", "stop_token_ids", "integers")]
    [InlineData("""{"stop_token_ids":[99999]}""", "stop_token_ids", "99999")]
    [InlineData("""{"min_tokens":-1}""", "min_tokens", "-1")]
    [InlineData("""{"min_tokens":9,"max_tokens":8}""", "min_tokens", "from 0 to 8")]
    public async Task A_format_that_cannot_be_kept_is_refused_by_its_path(string fields, string param, string cause)
    {
        foreach (string path in (string[])[Chat, Text])
        {
            string body = path == Chat ? With("," + fields[1..^1]) : "{\"model\":\"demo\",\"prompt\":\"a\"," + fields[1..];
            var error = await RefusedAsync(path, body, HttpStatusCode.BadRequest);
            Assert.Equal(param, error.GetProperty("param").GetString());
            Assert.Contains(cause, error.GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("{\"model\":\"demo\"}", "messages")]
    [InlineData("{\"model\":\"demo\",\"messages\":[]}", "messages")]
    [InlineData("{\"model\":\"demo\",\"messages\":\"Hi\"}", "messages")]
    [InlineData("{\"model\":\"demo\",\"messages\":[5]}", "messages")]
    [InlineData("{\"model\":\"demo\",\"messages\":[{\"content\":\"a\"}]}", "messages[0].role")]
    [InlineData("{\"model\":\"demo\",\"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]}", "messages[0].role")]
    [InlineData("{\"model\":\"demo\",\"messages\":[{\"role\":\"user\"}]}", "messages[0].content")]
    [InlineData("{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":5}]}", "messages[0].content")]
    [InlineData("{\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}", "messages[0].content[0]")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "model")]
    [InlineData("{\"model\":5,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "model")]
    public async Task Messages_that_cannot_be_are_named(string body, string param) =>
        Assert.Equal(param, (await RefusedAsync(Chat, body, HttpStatusCode.BadRequest)).GetProperty("param").GetString());

    [Theory]
    [InlineData("{\"model\":\"demo\"}", "prompt")]
    [InlineData("{\"model\":\"demo\",\"prompt\":5}", "prompt")]
    [InlineData("{\"model\":\"demo\",\"prompt\":[\"a\",\"b\"]}", "prompt")]
    [InlineData("{\"model\":\"demo\",\"prompt\":[]}", "prompt")]
    [InlineData("{\"model\":\"demo\",\"prompt\":[1,9999]}", "prompt[1]")]
    [InlineData("{\"model\":\"demo\",\"prompt\":[1,\"a\"]}", "prompt[1]")]
    [InlineData("{\"model\":\"demo\",\"prompt\":\"a\",\"logprobs\":6}", "logprobs")]
    [InlineData("{\"model\":\"demo\",\"prompt\":\"a\",\"logprobs\":true}", "logprobs")]
    [InlineData("{\"model\":\"demo\",\"prompt\":\"a\",\"logprobs\":1,\"echo\":true}", "echo")]
    [InlineData("{\"model\":\"demo\",\"prompt\":\"a\",\"best_of\":3}", "best_of")]
    [InlineData("{\"model\":\"demo\",\"prompt\":\"a\",\"suffix\":\"z\"}", "suffix")]
    public async Task Prompts_that_cannot_be_are_named(string body, string param) =>
        Assert.Equal(param, (await RefusedAsync(Text, body, HttpStatusCode.BadRequest)).GetProperty("param").GetString());

    [Theory]
    [InlineData(Text, "prompt")]
    [InlineData("/v1/embeddings", "input")]
    public async Task A_long_list_of_tokens_with_a_list_in_it_is_refused_at_once(string path, string field)
    {
        string body = $"{{\"model\":\"demo\",\"{field}\":[{string.Concat(Enumerable.Repeat("1,", 1_000_000))}[1]]}}";
        var error = await RefusedAsync(path, body, HttpStatusCode.BadRequest).WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal($"{field}[1000000]", error.GetProperty("param").GetString());
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("{\n  \"model\": demo}", "line 2, byte 12")]
    [InlineData("{\"model\":\"demo\"", "line 1")]
    [InlineData("[]", "a list")]
    [InlineData("null", "null")]
    public async Task Malformed_json_is_refused_with_its_position(string body, string cause)
    {
        var error = await RefusedAsync(Chat, body, HttpStatusCode.BadRequest);
        Assert.Equal("invalid_json", error.GetProperty("code").GetString());
        Assert.Contains(cause, error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_context_too_long_is_refused_with_the_numbers()
    {
        var error = await RefusedAsync(Text, JsonSerializer.Serialize(new { model = "demo", prompt = new string('a', 150), max_tokens = 60 }), HttpStatusCode.BadRequest);
        Assert.Equal("context_length_exceeded", error.GetProperty("code").GetString());
        foreach (string number in (string[])["200", "210", "150", "60"])
            Assert.Contains(number, error.GetProperty("message").GetString(), StringComparison.Ordinal);
        error = await RefusedAsync(Chat, With("").Replace("Hi", new string('a', 300), StringComparison.Ordinal), HttpStatusCode.BadRequest);
        Assert.Equal("messages", error.GetProperty("param").GetString());
    }

    [Theory]
    [InlineData("other")]
    [InlineData("demo:none")]
    [InlineData("demo:")]
    public async Task An_unknown_model_is_not_found(string model)
    {
        var error = await RefusedAsync(Chat, With("").Replace("demo", model, StringComparison.Ordinal), HttpStatusCode.NotFound);
        Assert.Equal("model_not_found", error.GetProperty("code").GetString());
        using var response = await worker.Serving.GetAsync($"/v1/models/{model}");
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Fact]
    public async Task A_body_of_10_MB_is_too_large() =>
        Assert.Equal("request_too_large", (await RefusedAsync(Chat, new string('a', 10_000_000), HttpStatusCode.RequestEntityTooLarge)).GetProperty("code").GetString());

    [Theory]
    [InlineData("GET", "/v1/nothing", 404)]
    [InlineData("GET", "/v1/completions", 405)]
    [InlineData("DELETE", "/v1/models", 405)]
    [InlineData("GET", "/control/load", 404)]
    public async Task Routes_that_do_not_exist_answer_as_openai_does(string method, string path, int status)
    {
        using var response = await worker.Serving.SendAsync(new HttpRequestMessage(new HttpMethod(method), path));
        Assert.Equal(status, (int)response.StatusCode);
        var body = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal("invalid_request_error", body.GetProperty("error").GetProperty("type").GetString());
    }

    [Fact]
    public async Task Fields_that_change_nothing_are_accepted()
    {
        using var response = await worker.Serving.PostAsync(Chat, new StringContent(With(
            ",\"user\":\"u\",\"metadata\":{\"a\":\"b\"},\"store\":false,\"tools\":[],\"tool_choice\":\"none\",\"response_format\":{\"type\":\"text\"},"
            + "\"logit_bias\":{},\"temperature\":null,\"n\":1,\"modalities\":[\"text\"]")));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }
}
