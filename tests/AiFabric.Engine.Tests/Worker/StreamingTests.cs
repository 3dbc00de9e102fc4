using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using AiFabric.Engine.Requests;
using AiFabric.Protocol.Sse;
using AiFabric.Worker.Hosting;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class StreamingTests : IAsyncLifetime
{
    private const string Chat = "/v1/chat/completions";

    private readonly ScriptedBackend backend = new();
    private RunningWorker worker = null!; // Set before every test.

    public async ValueTask InitializeAsync()
    {
        worker = await RunningWorker.StartAsync(backend, o => o with { DrainTimeout = TimeSpan.FromMilliseconds(200) });
        backend.Requests.Clear();
    }

    public ValueTask DisposeAsync() => worker.DisposeAsync();

    private static object Body(bool stream = true, object? stop = null, int? maxTokens = null, bool usage = false, int n = 1, int? minTokens = null) => new
    {
        model = "demo",
        messages = new[] { new { role = "user", content = "Hi" } },
        stream,
        stop,
        max_tokens = maxTokens,
        min_tokens = minTokens,
        n,
        stream_options = usage ? new { include_usage = true } : null,
    };

    [Fact]
    public async Task A_stream_opens_with_the_role_and_ends_with_reason_usage_and_done()
    {
        var events = await worker.StreamAsync(Chat, Body(usage: true));
        Assert.Equal(SseFrame.Done, events[^1]);
        var first = JsonDocument.Parse(events[0]).RootElement.GetProperty("choices")[0].GetProperty("delta");
        Assert.Equal("assistant", first.GetProperty("role").GetString());
        Assert.Equal("stop", JsonDocument.Parse(events[^3]).RootElement.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        var usage = JsonDocument.Parse(events[^2]).RootElement.GetProperty("usage");
        Assert.Equal(backend.Requests[0].PromptTokens.Count, usage.GetProperty("prompt_tokens").GetInt32());
        Assert.Equal("Hello there.".Length + 1, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal("Hello there.", RunningWorker.TextOf(events));
    }

    [Fact]
    public async Task Characters_of_several_bytes_arrive_whole()
    {
        backend.Answer = "Grüße, 世界 😀!";
        var events = await worker.StreamAsync(Chat, Body());
        Assert.Equal(backend.Answer, RunningWorker.TextOf(events));
        Assert.DoesNotContain(events, e => e.Contains('\uFFFD', StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_text_that_ends_inside_a_character_says_so()
    {
        backend.Answer = "a😀";
        Assert.Equal("a\uFFFD", RunningWorker.TextOf(await worker.StreamAsync(Chat, Body(maxTokens: 3))));
    }

    [Theory]
    [InlineData("One. Two. Three.", "Two", "One. ", "stop")]
    [InlineData("aaab", "aab", "a", "stop")]
    [InlineData("ends with st", "stop", "ends with st", "stop")]
    [InlineData("né", "é", "n", "stop")]
    public async Task No_part_of_a_stop_string_leaks(string answer, string stop, string expected, string finish)
    {
        backend.Answer = answer;
        var events = await worker.StreamAsync(Chat, Body(stop: stop));
        Assert.Equal(expected, RunningWorker.TextOf(events));
        Assert.Equal(finish, JsonDocument.Parse(events[^2]).RootElement.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        var whole = await worker.PostJsonAsync(Chat, Body(stream: false, stop: new[] { "never", stop }));
        Assert.Equal(expected, whole.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    // A token is a byte.
    [Theory]
    [InlineData("a. b. c.", ".", 1, "a")]
    [InlineData("a. b. c.", ".", 2, "a. b")]
    [InlineData("xENDyEND", "END", 3, "x")]
    [InlineData("xENDyEND", "END", 4, "xENDy")]
    [InlineData("xENDyEND", "END", 8, "xENDyEND")]
    public async Task A_stop_string_ends_an_answer_once_the_least_tokens_have_come(string answer, string stop, int minTokens, string expected)
    {
        backend.Answer = answer;
        Assert.Equal(expected, RunningWorker.TextOf(await worker.StreamAsync(Chat, Body(stop: stop, minTokens: minTokens))));
        var whole = await worker.PostJsonAsync(Chat, Body(stream: false, stop: stop, minTokens: minTokens));
        Assert.Equal(expected, whole.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    [Fact]
    public async Task A_stop_string_cancels_what_is_still_generated()
    {
        backend.Play = async (_, output, cancellationToken) =>
        {
            ScriptedBackend.Say(output, "go END");
            await Task.Delay(Timeout.Infinite, cancellationToken);
        };
        Assert.Equal("go ", RunningWorker.TextOf(await worker.StreamAsync(Chat, Body(stop: "END"))));
        Assert.Equal(1, backend.Cancelled);
    }

    [Fact]
    public async Task Several_choices_stream_side_by_side_with_their_own_seeds()
    {
        var events = await worker.StreamAsync(Chat, Body(n: 3, usage: true));
        var texts = events.Where(e => e != SseFrame.Done).Select(e => JsonDocument.Parse(e).RootElement).SelectMany(e => e.GetProperty("choices").EnumerateArray())
            .GroupBy(c => c.GetProperty("index").GetInt32()).ToDictionary(
                g => g.Key, g => string.Concat(g.Select(c => c.GetProperty("delta").TryGetProperty("content", out var text) ? text.GetString() : "")));
        Assert.Equal(["Hello there.", "Hello there.", "Hello there."], texts.OrderBy(t => t.Key).Select(t => t.Value));
        Assert.Equal(3, backend.Requests.Count);
    }

    [Fact]
    public async Task A_failure_before_the_first_token_is_a_status()
    {
        backend.Play = (_, output, _) => Task.FromResult(output.TryWrite(new TokenEvent { Finish = FinishReason.Error, Error = "no memory" }));
        using var response = await worker.PostAsync(Chat, Body());
        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error");
        Assert.Equal("server_error", error.GetProperty("type").GetString());
        Assert.Contains("no memory", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_failure_in_mid_stream_is_an_error_event(bool saysWhy)
    {
        backend.Play = (_, output, _) =>
        {
            ScriptedBackend.Say(output, "abc");
            if (saysWhy)
                output.TryWrite(new TokenEvent { Finish = FinishReason.Error, Error = "no memory" });
            return Task.CompletedTask;
        };
        var events = await worker.StreamAsync(Chat, Body());
        Assert.Contains("engine_error", events[^1], StringComparison.Ordinal);
        Assert.DoesNotContain(SseFrame.Done, events);
    }

    [Fact]
    public async Task A_client_that_leaves_cancels_its_generation()
    {
        backend.Play = async (_, output, cancellationToken) =>
        {
            ScriptedBackend.Say(output, "abc");
            await Task.Delay(Timeout.Infinite, cancellationToken);
        };
        using (var request = new HttpRequestMessage(HttpMethod.Post, Chat) { Content = JsonContent.Create(Body()) })
        using (var response = await worker.Serving.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
            Assert.True(response.IsSuccessStatusCode);
        await RunningWorker.EventuallyAsync(() => Task.FromResult(backend is { Cancelled: 1, Load.Running: 0 }), "the generation is cancelled");
    }

    [Fact]
    public async Task Shutdown_lets_a_short_stream_end_and_refuses_new_requests()
    {
        var release = new TaskCompletionSource();
        backend.Play = async (_, output, _) =>
        {
            ScriptedBackend.Say(output, "abc");
            await release.Task;
            output.TryWrite(new TokenEvent { Token = 'd', Finish = FinishReason.Length });
        };
        var streaming = worker.StreamAsync(Chat, Body());
        await RunningWorker.EventuallyAsync(() => Task.FromResult(worker.Host.State.Requests == 1), "the stream runs");
        var idle = worker.Host.State.DrainAsync();
        using (var ready = await worker.Serving.GetAsync("/ready"))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        using (var refused = await worker.PostAsync(Chat, Body()))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        release.SetResult();
        Assert.Equal("abcd", RunningWorker.TextOf(await streaming));
        await idle;
    }

    [Fact]
    public async Task A_worker_that_lingers_says_it_leaves_and_still_answers()
    {
        await using var leaving = await RunningWorker.StartAsync(new ScriptedBackend(), o => o with { Linger = TimeSpan.FromMinutes(5) });
        using var hurry = new CancellationTokenSource();
        var lingering = leaving.Host.LingerAsync(hurry.Token);

        using (var ready = await leaving.Serving.GetAsync("/ready"))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        using (var listed = await leaving.Serving.GetAsync("/v1/models"))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, listed.StatusCode);
        Assert.Equal("[DONE]", (await leaving.StreamAsync(Chat, Body()))[^1]);

        await hurry.CancelAsync();
        await lingering;
        _ = leaving.Host.State.DrainAsync();
        using var refused = await leaving.PostAsync(Chat, Body());
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
    }

    [Fact]
    public async Task Shutdown_ends_a_long_stream_with_an_error_event()
    {
        backend.Play = async (_, output, cancellationToken) =>
        {
            ScriptedBackend.Say(output, "abc");
            await Task.Delay(Timeout.Infinite, cancellationToken);
        };
        var streaming = worker.StreamAsync(Chat, Body());
        await RunningWorker.EventuallyAsync(() => Task.FromResult(worker.Host.State.Requests == 1), "the stream runs");
        await worker.Host.StopAsync(CancellationToken.None);
        var events = await streaming;
        Assert.Contains("shutting_down", events[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Completions_repeat_the_prompt_on_echo_and_take_token_ids()
    {
        var echoed = await worker.PostJsonAsync("/v1/completions", new { model = "demo", prompt = "Say: ", echo = true, max_tokens = 100 });
        Assert.Equal("Say: Hello there.", echoed.GetProperty("choices")[0].GetProperty("text").GetString());
        await worker.PostJsonAsync("/v1/completions", new { model = "demo", prompt = new[] { 72, 105 } });
        Assert.Equal([72, 105], backend.Requests[^1].PromptTokens);
        Assert.Equal(16, backend.Requests[^1].MaxTokens);
    }

    [Fact]
    public async Task Log_probabilities_stop_where_the_text_stops()
    {
        backend.Answer = "ab END cd";
        var whole = await worker.PostJsonAsync(Chat, new { model = "demo", messages = new[] { new { role = "user", content = "x" } }, logprobs = true, top_logprobs = 1, stop = "END" });
        var choice = whole.GetProperty("choices")[0];
        Assert.Equal("ab ", choice.GetProperty("message").GetProperty("content").GetString());
        Assert.Equal(["a", "b", " "], choice.GetProperty("logprobs").GetProperty("content").EnumerateArray().Select(t => t.GetProperty("token").GetString()));
    }

    [Fact]
    public async Task Sampling_reaches_the_engine_as_asked()
    {
        await worker.PostJsonAsync(Chat, new
        {
            model = "demo",
            messages = new[] { new { role = "user", content = "x" } },
            temperature = 0.5,
            top_p = 0.9,
            top_k = 7,
            min_p = 0.1,
            presence_penalty = 0.2,
            frequency_penalty = 0.3,
            repetition_penalty = 1.1,
            seed = 42,
            max_completion_tokens = 9,
            ignore_eos = true,
            cache_salt = "s",
            priority = -3,
        });
        var request = backend.Requests[^1];
        Assert.Equal(
            new SamplingParameters { Temperature = 0.5, TopP = 0.9, TopK = 7, MinP = 0.1, PresencePenalty = 0.2, FrequencyPenalty = 0.3, RepetitionPenalty = 1.1, Seed = 42 },
            request.Sampling);
        Assert.Equal((9, 0, "s", (string?)null), (request.MaxTokens, request.StopTokens.Count, request.CacheSalt, request.Adapter));
        Assert.Equal((-3, null), (request.Priority, request.Tenant));
    }

    [Fact]
    public async Task Readiness_waits_for_the_model_and_tells_the_reason()
    {
        var release = new TaskCompletionSource();
        await using var slow = await RunningWorker.StartAsync(
            async (_, _, _, _) =>
            {
                await release.Task;
                return new ScriptedBackend();
            },
            RunningWorker.Options,
            waitUntilLoaded: false);
        Assert.Equal("alive\n", await slow.Serving.GetStringAsync("/health"));
        using (var ready = await slow.Serving.GetAsync("/ready"))
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "Loading: The model is being loaded.\n"), (ready.StatusCode, await ready.Content.ReadAsStringAsync()));
        using (var refused = await slow.PostAsync(Chat, Body()))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        release.SetResult();
        await slow.Host.Loaded;
        Assert.Equal("ready\n", await slow.Serving.GetStringAsync("/ready"));
        Assert.Equal(WorkerPhase.Ready, slow.Host.State.Phase);
    }
}
