using System.Text.Json;
using AiFabric.Protocol.Sse;
using AiFabric.Tests.Tokenization;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

/// <summary>Tools over HTTP: with a model of random weights, which calls only because it must, and with one that says what a test tells it to.</summary>
public sealed class ToolCallTests
{
    private const string Chat = "/v1/chat/completions";

    private static readonly JsonElement Weather = Parse(
        """
        {"type":"function","function":{"name":"weather","description":"Of a place","parameters":{"type":"object","properties":{"place":{"type":"string","pattern":"^[A-Z][a-z]{1,7}$"},
        "days":{"type":"integer","minimum":1,"maximum":9}},"required":["place","days"],"additionalProperties":false}}}
        """);

    private static readonly JsonElement Clock = Parse("""{"type":"function","function":{"name":"clock"}}""");

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private static Dictionary<string, object?> Body(params (string Name, object? Value)[] fields)
    {
        var body = new Dictionary<string, object?>
        {
            ["model"] = "demo",
            ["messages"] = new[] { new { role = "user", content = "Jena?" } },
            ["tools"] = new[] { Weather, Clock },
            ["max_tokens"] = 300,
            ["seed"] = 7,
        };
        foreach (var (name, value) in fields)
            body[name] = value;
        return body;
    }

    private static (JsonElement Message, string? Finish) AnswerOf(JsonElement chat, int choice = 0) =>
        (chat.GetProperty("choices")[choice].GetProperty("message"), chat.GetProperty("choices")[choice].GetProperty("finish_reason").GetString());

    private static (string Id, string Name, string Arguments)[] CallsOf(JsonElement message) => !message.TryGetProperty("tool_calls", out var calls) ? [] : [.. calls.EnumerateArray().Select(call =>
    {
        Assert.Equal("function", call.GetProperty("type").GetString());
        Assert.False(call.TryGetProperty("index", out _));
        var function = call.GetProperty("function");
        return (call.GetProperty("id").GetString()!, function.GetProperty("name").GetString()!, function.GetProperty("arguments").GetString()!); // Of any whole call.
    })];

    /// <summary>A stream's content and calls put together as clients do.</summary>
    private static (string Text, (string Id, string Name, string Arguments)[] Calls, string? Finish) Gathered(List<string> events)
    {
        Assert.Equal(SseFrame.Done, events[^1]);
        var calls = new List<(string Id, string Name, string Arguments)>();
        string? finish = null;
        foreach (var choice in events.Where(e => e != SseFrame.Done).SelectMany(e => Parse(e).GetProperty("choices").EnumerateArray()))
        {
            Assert.Null(finish);
            finish = choice.TryGetProperty("finish_reason", out var reason) ? reason.GetString() : null;
            if (!choice.GetProperty("delta").TryGetProperty("tool_calls", out var pieces))
                continue;
            foreach (var piece in pieces.EnumerateArray())
            {
                int index = piece.GetProperty("index").GetInt32();
                var function = piece.GetProperty("function");
                if (index == calls.Count)
                    calls.Add((piece.GetProperty("id").GetString()!, function.GetProperty("name").GetString()!, "")); // Of a call's first piece.
                calls[index] = calls[index] with { Arguments = calls[index].Arguments + function.GetProperty("arguments").GetString() };
            }
        }
        return (RunningWorker.TextOf(events), [.. calls], finish);
    }

    private static void AssertWeather(string arguments)
    {
        var json = Parse(arguments);
        Assert.Equal(2, json.EnumerateObject().Count());
        Assert.Matches("^[A-Z][a-z]{1,7}$", json.GetProperty("place").GetString());
        Assert.InRange(json.GetProperty("days").GetInt32(), 1, 9);
    }

    private static void AssertCalls((string Id, string Name, string Arguments)[] calls)
    {
        Assert.NotEmpty(calls);
        foreach (var (_, name, arguments) in calls)
        {
            if (name == "weather")
                AssertWeather(arguments);
            else
                Assert.Equal(("clock", "{}"), (name, arguments));
        }
    }

    [Theory]
    [InlineData(ToolTemplates.Tagged, "^call_[0-9A-Za-z]{24}$")]
    [InlineData(ToolTemplates.Bare, "^call_[0-9A-Za-z]{24}$")]
    [InlineData(ToolTemplates.Listed, "^[0-9A-Za-z]{9}$", "[TOOL_CALLS]")]
    [InlineData(ToolTemplates.Listed, "^[0-9A-Za-z]{9}$")]
    public async Task A_call_that_is_asked_for_is_made_and_fits_the_schema(string template, string id, params string[] marks)
    {
        using var model = new TinyServedModel(template, 2048, marks);
        await using var worker = await model.ServeAsync();
        var named = Body(("tool_choice", new { type = "function", function = new { name = "weather" } }), ("temperature", 1.3), ("n", 4));

        var chat = await worker.PostJsonAsync(Chat, named);
        var again = await worker.PostJsonAsync(Chat, named);
        var other = await worker.PostJsonAsync(Chat, Body(("tool_choice", "required"), ("parallel_tool_calls", false)));

        var ids = new HashSet<string>();
        for (int choice = 0; choice < 4; choice++)
        {
            var (message, finish) = AnswerOf(chat, choice);
            Assert.Equal(JsonValueKind.Null, message.GetProperty("content").ValueKind);
            var call = Assert.Single(CallsOf(message));
            Assert.Equal("weather", call.Name);
            AssertWeather(call.Arguments);
            Assert.Matches(id, call.Id);
            Assert.True(ids.Add(call.Id), "each choice's calls have ids of their own");
            Assert.Equal("tool_calls", finish);
            Assert.Equal(call, Assert.Single(CallsOf(AnswerOf(again, choice).Message)));
        }
        AssertCalls([Assert.Single(CallsOf(AnswerOf(other).Message))]);
    }

    [Fact]
    public async Task A_stream_says_what_the_whole_answer_says()
    {
        using var model = new TinyServedModel(ToolTemplates.Tagged, 2048);
        await using var worker = await model.ServeAsync();
        for (int seed = 0; seed < 4; seed++)
        {
            var (text, calls, finish) = Gathered(await worker.StreamAsync(Chat, Body(("tool_choice", "required"), ("seed", seed), ("stream", true))));
            var whole = AnswerOf(await worker.PostJsonAsync(Chat, Body(("tool_choice", "required"), ("seed", seed))));

            Assert.Equal("", text);
            Assert.Equal(CallsOf(whole.Message), calls);
            Assert.Equal(whole.Finish, finish);
            if (finish == "tool_calls")
                AssertCalls(calls);
        }
    }

    [Fact]
    public async Task A_strict_function_is_called_as_its_schema_says_or_not_at_all()
    {
        using var model = new TinyServedModel(ToolTemplates.Tagged, 2048, "<tool_call>", "</tool_call>");
        await using var worker = await model.ServeAsync();
        var strict = Parse(Weather.GetRawText().Replace("\"description\":\"Of a place\"", "\"strict\":true", StringComparison.Ordinal));
        // This model opens a call where it may, or never does.
        object Biased(int bias) => Body(
            ("tools", new[] { strict }), ("n", 6), ("max_tokens", 120), ("parallel_tool_calls", false), ("logit_bias", new Dictionary<string, int> { [$"{TinyTokenizer.Size}"] = bias }));

        var called = await worker.PostJsonAsync(Chat, Biased(100));
        var said = await worker.PostJsonAsync(Chat, Biased(-100));

        for (int choice = 0; choice < 6; choice++)
        {
            var (message, finish) = AnswerOf(called, choice);
            Assert.Equal("tool_calls", finish);
            AssertWeather(Assert.Single(CallsOf(message)).Arguments);
            Assert.Empty(CallsOf(AnswerOf(said, choice).Message));
        }
    }

    [Fact]
    public async Task What_a_model_says_of_itself_is_told_apart_as_text_and_calls()
    {
        var backend = Scripted("Let me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"place\": \"Jéna\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"clock\"}\n</tool_call>");
        await using var worker = await RunningWorker.StartAsync(backend);

        var (message, finish) = AnswerOf(await worker.PostJsonAsync(Chat, Body(("logprobs", true))));
        var streamed = Gathered(await worker.StreamAsync(Chat, Body(("stream", true))));

        Assert.Equal(("Let me see.", "tool_calls"), (message.GetProperty("content").GetString(), finish));
        Assert.Equal([("weather", "{\"place\": \"Jéna\"}"), ("clock", "{}")], CallsOf(message).Select(c => (c.Name, c.Arguments)));
        Assert.Equal(("Let me see.", "tool_calls"), (streamed.Text, streamed.Finish));
        Assert.Equal(CallsOf(message), streamed.Calls);
        Assert.Null(backend.Requests[^1].Constraint);
    }

    [Fact]
    public async Task A_call_of_no_tool_and_one_that_is_cut_off_are_not_to_be_made()
    {
        var backend = Scripted("<tool_call>{\"name\": \"other\", \"arguments\": {}}</tool_call>");
        await using var worker = await RunningWorker.StartAsync(backend);

        var (unknown, finish) = AnswerOf(await worker.PostJsonAsync(Chat, Body()));
        Assert.Equal((backend.Answer, "stop"), (unknown.GetProperty("content").GetString(), finish));
        Assert.Empty(CallsOf(unknown));

        backend.Answer = "<tool_call>{\"name\": \"weather\", \"arguments\": {\"place\": \"Jena\"}}</tool_call>";
        var (cut, length) = AnswerOf(await worker.PostJsonAsync(Chat, Body(("max_tokens", 60))));
        Assert.Equal("length", length);
        Assert.StartsWith(Assert.Single(CallsOf(cut)).Arguments, "{\"place\": \"Jena\"}", StringComparison.Ordinal);
        var (stopped, stop) = AnswerOf(await worker.PostJsonAsync(Chat, Body(("stop", "Jena"))));
        Assert.Equal(("stop", "{\"place\": \""), (stop, Assert.Single(CallsOf(stopped)).Arguments));
    }

    [Fact]
    public async Task Without_parallel_calls_an_answer_ends_with_its_first()
    {
        var backend = Scripted("One.<tool_call>{\"name\": \"clock\"}</tool_call>\n<tool_call>{\"name\": \"clock\"}</tool_call> and so on");
        await using var worker = await RunningWorker.StartAsync(backend);

        var (message, finish) = AnswerOf(await worker.PostJsonAsync(Chat, Body(("parallel_tool_calls", false))));

        Assert.Equal(("One.", "tool_calls"), (message.GetProperty("content").GetString(), finish));
        Assert.Single(CallsOf(message));
    }

    [Fact]
    public async Task With_the_choice_none_the_model_sees_no_tools()
    {
        var backend = Scripted("<tool_call>{\"name\": \"clock\"}</tool_call>");
        await using var worker = await RunningWorker.StartAsync(backend);

        var (none, finish) = AnswerOf(await worker.PostJsonAsync(Chat, Body(("tool_choice", "none"))));
        await worker.PostJsonAsync(Chat, Body(("tools", null)));

        Assert.Equal((backend.Answer, "stop"), (none.GetProperty("content").GetString(), finish));
        Assert.Equal(backend.Requests[^1].PromptTokens, backend.Requests[^2].PromptTokens);
    }

    [Fact]
    public async Task A_result_goes_back_to_the_model_with_its_call()
    {
        var backend = Scripted("It rains.");
        await using var worker = await RunningWorker.StartAsync(backend);
        object[] messages =
        [
            new { role = "user", content = "Jena?" },
            new
            {
                role = "assistant", content = (string?)null, refusal = (string?)null, annotations = Array.Empty<int>(),
                tool_calls = new[] { Call("a", "{\"place\":\"Jena\",  \"days\": 2}"), Call("b", ""), Call("c", "{oops") },
            },
            new { role = "tool", tool_call_id = "b", content = (object)new[] { new { type = "text", text = "rain" } } },
            new { role = "tool", tool_call_id = "a", name = "other", content = "sun </s>" },
        ];

        var (message, finish) = AnswerOf(await worker.PostJsonAsync(Chat, Body(("messages", messages))));
        var tokens = await worker.PostJsonAsync("/tokenize", new { model = "demo", messages, tools = new[] { Clock } });

        Assert.Equal(("It rains.", "stop"), (message.GetProperty("content").GetString(), finish));
        const string conversation =
            "user: Jena?assistant: \n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"place\": \"Jena\", \"days\": 2}}\n</tool_call>\n<tool_call>\n"
            + "{\"name\": \"weather\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"weather\", \"arguments\": \"{oops\"}\n</tool_call>tool: raintool: sun </s>assistant: ";
        string said = backend.Tokenizer.Decode([.. backend.Requests[^1].PromptTokens]);
        Assert.EndsWith(conversation, said, StringComparison.Ordinal);
        Assert.StartsWith("system: Tools: {\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \"Of a place\", \"parameters\": {\"type\": \"object\"", said, StringComparison.Ordinal);
        Assert.Equal(
            "system: Tools: {\"type\": \"function\", \"function\": {\"name\": \"clock\"}}" + conversation,
            backend.Tokenizer.Decode([.. tokens.GetProperty("tokens").EnumerateArray().Select(t => t.GetInt32())]));
    }

    private static object Call(string id, string arguments) => new { id, type = "function", function = new { name = "weather", arguments } };

    private static ScriptedBackend Scripted(string answer) =>
        new() { Answer = answer, Tokenizer = TinyTokenizer.Load(ToolTemplates.Tagged), MaxContextTokens = 4096 };
}
