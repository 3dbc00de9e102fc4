using System.Text.Json;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>Formats over HTTP, with a model of random weights: it keeps a format only because it must.</summary>
public sealed class StructuredOutputTests : IDisposable
{
    private const string Chat = "/v1/chat/completions";

    private static readonly object Person = new
    {
        type = "json_schema",
        json_schema = new
        {
            name = "person",
            strict = true,
            schema = new
            {
                type = "object",
                properties = new { name = new { type = "string", pattern = "^[A-Z][a-z]{1,9}$" }, age = new { type = "integer", minimum = 0, maximum = 150 } },
                required = (string[])["name", "age"],
                additionalProperties = false,
            },
        },
    };

    private readonly TinyServedModel model = new();

    public void Dispose() => model.Dispose();

    private static Dictionary<string, object> Body(params (string Name, object Value)[] fields)
    {
        var body = new Dictionary<string, object>
        {
            ["model"] = "demo",
            ["messages"] = new[] { new { role = "user", content = "Hello" } },
            ["max_tokens"] = 120,
            ["seed"] = 7,
        };
        foreach (var (name, value) in fields)
            body[name] = value;
        return body;
    }

    private static string ContentOf(JsonElement chat, int choice = 0) => chat.GetProperty("choices")[choice].GetProperty("message").GetProperty("content").GetString()!; // Always there.

    private static void AssertPerson(string text)
    {
        var person = JsonDocument.Parse(text).RootElement;
        Assert.Equal(2, person.EnumerateObject().Count());
        Assert.Matches("^[A-Z][a-z]{1,9}$", person.GetProperty("name").GetString());
        Assert.InRange(person.GetProperty("age").GetInt32(), 0, 150);
    }

    [Fact]
    public async Task Every_choice_keeps_the_schema_and_is_its_own_but_reproducible()
    {
        await using var worker = await model.ServeAsync();
        var body = Body(("n", 8), ("response_format", Person), ("temperature", 1.3), ("logprobs", true), ("top_logprobs", 2));

        var chat = await worker.PostJsonAsync(Chat, body);
        var again = await worker.PostJsonAsync(Chat, body);

        string[] texts = [.. Enumerable.Range(0, 8).Select(i => ContentOf(chat, i))];
        Assert.All(texts, AssertPerson);
        Assert.Equal(8, texts.Distinct().Count());
        Assert.Equal(texts, Enumerable.Range(0, 8).Select(i => ContentOf(again, i)));
        Assert.All(chat.GetProperty("choices").EnumerateArray(), choice => Assert.Equal("stop", choice.GetProperty("finish_reason").GetString()));
    }

    [Fact]
    public async Task A_seed_gives_the_same_answers_in_any_company()
    {
        await using var worker = await model.ServeAsync();
        var body = Body(("n", 3), ("max_tokens", 20), ("ignore_eos", true));
        var alone = await worker.PostJsonAsync(Chat, body);

        var crowd = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => worker.PostJsonAsync(Chat, i == 3 ? body : Body(("n", 2), ("seed", i), ("response_format", Person)))));

        string[] texts = [.. Enumerable.Range(0, 3).Select(i => ContentOf(alone, i))];
        Assert.Equal(texts, Enumerable.Range(0, 3).Select(i => ContentOf(crowd[3], i)));
        Assert.Equal(3, texts.Distinct().Count());
    }

    [Fact]
    public async Task A_stream_says_what_the_whole_answer_says()
    {
        await using var worker = await model.ServeAsync();
        string streamed = RunningWorker.TextOf(await worker.StreamAsync(Chat, Body(("response_format", Person), ("stream", true))));

        AssertPerson(streamed);
        Assert.Equal(ContentOf(await worker.PostJsonAsync(Chat, Body(("response_format", Person)))), streamed);
    }

    [Fact]
    public async Task A_stop_string_cuts_a_format_like_any_text()
    {
        await using var worker = await model.ServeAsync();
        string text = ContentOf(await worker.PostJsonAsync(Chat, Body(("response_format", Person), ("stop", "\"age\""))));

        Assert.StartsWith("{\"name\":", text, StringComparison.Ordinal);
        Assert.DoesNotContain("age", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Any_object_parses()
    {
        await using var worker = await model.ServeAsync();
        int ended = 0;
        for (int seed = 0; seed < 20; seed++)
        {
            var chat = await worker.PostJsonAsync(Chat, Body(("response_format", new { type = "json_object" }), ("seed", seed)));
            if (chat.GetProperty("choices")[0].GetProperty("finish_reason").GetString() != "stop")
                continue;
            ended++;
            Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(ContentOf(chat)).RootElement.ValueKind);
        }
        Assert.True(ended > 0);
    }

    [Theory]
    [InlineData("structured_outputs", """{"choice":["red","green","blue"]}""", "^(red|green|blue)$")]
    [InlineData("guided_choice", """["red","green"]""", "^(red|green)$")]
    [InlineData("structured_outputs", """{"regex":"[A-Z]{2}-\\d{3}"}""", "^[A-Z]{2}-\\d{3}$")]
    [InlineData("guided_regex", """ "yes|no" """, "^(yes|no)$")]
    [InlineData("structured_outputs", """{"json":{"enum":[1,2]}}""", "^[12]$")]
    [InlineData("guided_json", """ "{\"type\":\"boolean\"}" """, "^(true|false)$")]
    [InlineData("structured_outputs", """{"json_object":true}""", "^\\{")]
    public async Task The_names_that_vllm_gives_formats_work_on_both_endpoints(string field, string value, string expected)
    {
        await using var worker = await model.ServeAsync();
        var format = JsonDocument.Parse(value).RootElement;
        var chat = await worker.PostJsonAsync(Chat, Body((field, format)));
        var text = await worker.PostJsonAsync("/v1/completions", new Dictionary<string, object> { ["model"] = "demo", ["prompt"] = "Hello", ["max_tokens"] = 60, [field] = format });

        Assert.Matches(expected, ContentOf(chat));
        Assert.Matches(expected, text.GetProperty("choices")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task Biases_and_stop_tokens_come_through()
    {
        await using var worker = await model.ServeAsync();
        var biased = await worker.PostJsonAsync(Chat, Body(("logit_bias", new Dictionary<string, int> { ["65"] = 100 }), ("max_tokens", 4)));
        var stopped = await worker.PostJsonAsync(Chat, Body(("logit_bias", new Dictionary<string, int> { ["65"] = 100 }), ("stop_token_ids", (int[])[65]), ("min_tokens", 2)));

        Assert.Equal("AAAA", ContentOf(biased));
        Assert.Equal(3, stopped.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.DoesNotContain("A", ContentOf(stopped), StringComparison.Ordinal);
        Assert.Equal("stop", stopped.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task A_format_that_cannot_be_is_an_error_before_any_event()
    {
        await using var worker = await model.ServeAsync();
        using var refused = await worker.PostAsync(Chat, Body(("stream", true), ("response_format", new { type = "json_schema", json_schema = new { name = "n", schema = new { type = "string", format = "color" } } })));

        Assert.Equal("application/json", refused.Content.Headers.ContentType?.MediaType);
        Assert.Contains("response_format.json_schema.schema.format", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
