using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Cluster.Tests.Gateway.Pipelines;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway.AsyncRuns;

/// <summary>Asynchronous runs as clients see them, the same over both stores.</summary>
[Collection(GatewayGroup.Name)]
public sealed class RunTests(GatewayBench bench)
{
    private static int _names;

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task A_run_is_accepted_at_once_and_keeps_its_answer_its_stages_and_its_events(string kind)
    {
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script(prompt => $"One of {prompt}. Two."));
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, kind);

        string id = await RunBench.BeginAsync(runs.Http, pipeline, """{"input": "Hello", "metadata": {"order": "7"}}""");
        JsonElement run = await RunBench.UntilAsync(runs.Http, pipeline, id, "completed");

        Assert.Equal(RunBench.Answer, run.GetProperty("output").GetString());
        Assert.Equal(15, run.GetProperty("usage").GetProperty("total_tokens").GetInt32());
        Assert.Equal("7", run.GetProperty("metadata").GetProperty("order").GetString());
        Assert.Equal((1, $"default/{pipeline}"), (run.GetProperty("attempts").GetInt32(), run.GetProperty("pipeline").GetString()));
        Assert.Equal(run.GetProperty("ended_at").GetInt64() + 86_400, run.GetProperty("expires_at").GetInt64());
        Assert.Equal(JsonValueKind.Null, run.GetProperty("error").ValueKind);

        JsonElement first = await runs.Http.GetFromJsonAsync<JsonElement>($"/v1/pipelines/{pipeline}/runs/{id}/stages?limit=2");
        Assert.True(first.GetProperty("has_more").GetBoolean());
        string after = first.GetProperty("data")[1].GetProperty("id").GetString()!;
        JsonElement rest = await runs.Http.GetFromJsonAsync<JsonElement>($"/v1/pipelines/{pipeline}/runs/{id}/stages?after={after}");
        Assert.False(rest.GetProperty("has_more").GetBoolean());
        Assert.Equal(
            ["answer : One of Hello. Two.", "check 0: One of One of Hello.. Two.", "check 1: One of Two.. Two.", $"report : {RunBench.Answer}"],
            first.GetProperty("data").EnumerateArray().Concat(rest.GetProperty("data").EnumerateArray())
                .Select(stage => $"{stage.GetProperty("stage")} {stage.GetProperty("item")}: {stage.GetProperty("text")}").Order(StringComparer.Ordinal));

        IReadOnlyList<string> events = await RunBench.EventsAsync(runs.Http, pipeline, id);
        Assert.Equal(["started", "stage_finished", "stage_finished", "stage_finished", "stage_finished", "completed"], events);
        using var resumed = new HttpRequestMessage(HttpMethod.Get, $"/v1/pipelines/{pipeline}/runs/{id}/events") { Headers = { { "Last-Event-ID", "4" } } };
        string tail = await (await runs.Http.SendAsync(resumed)).Content.ReadAsStringAsync();
        Assert.StartsWith($"id: 5\nevent: io.aifabric.pipeline.run.completed\ndata: {{\"specversion\":\"1.0\",\"id\":\"{id}/5\"", tail, StringComparison.Ordinal);
        Assert.DoesNotContain("Hello", tail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task Events_stream_while_the_run_goes_on_and_a_cancelled_run_frees_its_workers(string kind)
    {
        int busy = 0;
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script((_, token) => HoldAsync(() => Interlocked.Increment(ref busy), () => Interlocked.Decrement(ref busy), token)));
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, kind, "--Gateway:RunsConcurrent", "1");
        string id = await RunBench.BeginAsync(runs.Http, pipeline);
        string queued = await RunBench.BeginAsync(runs.Http, pipeline);
        Task<IReadOnlyList<string>> events = RunBench.EventsAsync(runs.Http, pipeline, id);
        await RunBench.UntilAsync(runs.Http, pipeline, id, "in_progress");
        await GatewayBench.WaitAsync(() => Task.FromResult(Volatile.Read(ref busy) == 2), () => "the writer and a check to be at work");
        Assert.Equal("queued", (await RunBench.GetAsync(runs.Http, pipeline, queued)).GetProperty("status").GetString()); // One at a time.

        foreach (string open in (string[])[queued, id])
        {
            JsonElement cancelled = await RunBench.ReadAsync(await runs.Http.PostAsync($"/v1/pipelines/{pipeline}/runs/{open}/cancel", null));
            Assert.Equal("cancelled", cancelled.GetProperty("status").GetString());
        }
        await GatewayBench.WaitAsync(() => Task.FromResult(Volatile.Read(ref busy) == 0), () => "the worker to be free");
        Assert.Equal(["started", "cancelled"], await events);
        Assert.Equal(["cancelled"], await RunBench.EventsAsync(runs.Http, pipeline, queued));
        // Once more is the same; what was completed is not cancelled.
        Assert.Equal(HttpStatusCode.OK, (await runs.Http.PostAsync($"/v1/pipelines/{pipeline}/runs/{id}/cancel", null)).StatusCode);
        worker.Script = TalkingModel.Script(_ => "Done.");
        string done = await RunBench.BeginAsync(runs.Http, pipeline);
        await RunBench.UntilAsync(runs.Http, pipeline, done, "completed");
        await Asking.RefusedAsync(await runs.Http.PostAsync($"/v1/pipelines/{pipeline}/runs/{done}/cancel", null), HttpStatusCode.BadRequest, "run_ended");
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task A_failed_run_names_its_stage_and_a_late_one_expires(string kind)
    {
        (FakeWorker worker, string pipeline) = await ServeAsync(Scripts.Refuse(400, "bad"));
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, kind);
        string id = await RunBench.BeginAsync(runs.Http, pipeline);
        JsonElement error = (await RunBench.UntilAsync(runs.Http, pipeline, id, "failed")).GetProperty("error");
        Assert.Equal(("stage_failed", "answer"), (error.GetProperty("code").GetString(), error.GetProperty("stage").GetString()));
        Assert.Contains("the model refused (400)", error.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal(["started", "failed"], await RunBench.EventsAsync(runs.Http, pipeline, id));

        worker.Script = TalkingModel.Script((_, token) => HoldAsync(() => { }, () => { }, token));
        string late = await RunBench.BeginAsync(runs.Http, pipeline, """{"input": "Hello", "completion_window_seconds": 1, "keep_seconds": 60}""");
        JsonElement expired = await RunBench.UntilAsync(runs.Http, pipeline, late, "expired");
        Assert.Equal("expired", expired.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(expired.GetProperty("ended_at").GetInt64() + 60, expired.GetProperty("expires_at").GetInt64());
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task The_same_request_under_the_same_key_is_one_run_and_another_is_refused(string kind)
    {
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script(_ => "Done."));
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, kind);
        HttpResponseMessage[] answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => SendAsync("Hello")));
        string[] ids = [.. (await Task.WhenAll(answers.Select(RunBench.ReadAsync))).Select(run => run.GetProperty("id").GetString()!)];
        Assert.All(answers, answer => Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode));
        string id = Assert.Single(ids.Distinct());
        await RunBench.UntilAsync(runs.Http, pipeline, id, "completed");
        Assert.Equal(id, (await RunBench.ReadAsync(await SendAsync("Hello"))).GetProperty("id").GetString());
        await Asking.RefusedAsync(await SendAsync("Something else"), HttpStatusCode.UnprocessableEntity, "idempotency_key_reused");
        Assert.Equal(2, worker.Received.Count); // One run: an answer, and a check of its one sentence.

        // What is deleted may be asked for anew.
        await runs.Http.DeleteAsync($"/v1/pipelines/{pipeline}/runs/{id}");
        Assert.NotEqual(id, (await RunBench.ReadAsync(await SendAsync("Something else"))).GetProperty("id").GetString());

        Task<HttpResponseMessage> SendAsync(string input) => SendKeyedAsync(runs.Http, pipeline, "order-7", new { input });
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task A_request_that_was_answered_is_answered_again_while_the_queue_is_full(string kind)
    {
        var never = new TaskCompletionSource();
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script((prompt, token) => WaitAsync(prompt == "Wait" ? never.Task : Task.CompletedTask, token)));
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, kind, "--Gateway:RunsOpen", "1");
        string id = (await RunBench.ReadAsync(await SendAsync("order-9", "Hello"))).GetProperty("id").GetString()!; // Accepted.
        await RunBench.UntilAsync(runs.Http, pipeline, id, "completed");
        await GatewayBench.WaitAsync(async () => (await SendAsync("order-10", "Wait")).StatusCode == HttpStatusCode.Accepted, () => "the queue to have room");
        await Asking.RefusedAsync(await SendAsync("order-11", "Hello"), HttpStatusCode.TooManyRequests, "run_queue_full");

        using HttpResponseMessage again = await SendAsync("order-9", "Hello");

        Assert.Equal(HttpStatusCode.Accepted, again.StatusCode);
        JsonElement run = await RunBench.ReadAsync(again);
        Assert.Equal((id, "completed"), (run.GetProperty("id").GetString(), run.GetProperty("status").GetString()));

        Task<HttpResponseMessage> SendAsync(string key, string input) => SendKeyedAsync(runs.Http, pipeline, key, new { input });
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task The_queue_is_bounded_and_lists_come_in_pages_newest_first(string kind)
    {
        var gate = new TaskCompletionSource();
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script((_, token) => WaitAsync(gate.Task, token)));
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, kind, "--Gateway:RunsConcurrent", "1", "--Gateway:RunsOpen", "3", "--Gateway:RunsKeptPerTenant", "4");
        var ids = new List<string>();
        for (int i = 0; i < 3; i++)
            ids.Insert(0, await RunBench.BeginAsync(runs.Http, pipeline));
        using HttpResponseMessage full = await runs.Http.PostAsync($"/v1/pipelines/{pipeline}/runs", Asking.Json("""{"input": "Hello"}"""));
        await Asking.RefusedAsync(full, HttpStatusCode.TooManyRequests, "run_queue_full");
        Assert.NotNull(full.Headers.RetryAfter);
        gate.SetResult();
        await RunBench.UntilAsync(runs.Http, pipeline, ids[0], "completed");
        string last = "";
        await GatewayBench.WaitAsync(
            async () =>
            {
                using HttpResponseMessage answer = await runs.Http.PostAsync($"/v1/pipelines/{pipeline}/runs", Asking.Json("""{"input": "Hello"}"""));
                last = answer.StatusCode == HttpStatusCode.Accepted ? (await RunBench.ReadAsync(answer)).GetProperty("id").GetString()! : "";
                return last.Length > 0;
            },
            () => "room for one more run");
        ids.Insert(0, last);
        await RunBench.UntilAsync(runs.Http, pipeline, last, "completed");
        await Asking.RefusedAsync(
            await runs.Http.PostAsync($"/v1/pipelines/{pipeline}/runs", Asking.Json("""{"input": "Hello"}""")), HttpStatusCode.TooManyRequests, "too_many_runs_kept");

        JsonElement first = await runs.Http.GetFromJsonAsync<JsonElement>($"/v1/pipelines/{pipeline}/runs?limit=3");
        Assert.Equal(ids[..3], Ids(first));
        Assert.Equal((true, ids[0], ids[2]), (first.GetProperty("has_more").GetBoolean(), first.GetProperty("first_id").GetString(), first.GetProperty("last_id").GetString()));
        JsonElement second = await runs.Http.GetFromJsonAsync<JsonElement>($"/v1/pipelines/{pipeline}/runs?limit=3&after={ids[2]}");
        Assert.Equal(ids[3..], Ids(second));
        Assert.False(second.GetProperty("has_more").GetBoolean());

        using HttpResponseMessage deleted = await runs.Http.DeleteAsync($"/v1/pipelines/{pipeline}/runs/{last}");
        Assert.True((await RunBench.ReadAsync(deleted)).GetProperty("deleted").GetBoolean());
        await Asking.RefusedAsync(await runs.Http.GetAsync($"/v1/pipelines/{pipeline}/runs/{last}"), HttpStatusCode.NotFound, "run_not_found");
        Assert.Equal(ids[1..], Ids(await runs.Http.GetFromJsonAsync<JsonElement>($"/v1/pipelines/{pipeline}/runs")));
        if (runs.Sidecar is { } sidecar)
            Assert.DoesNotContain(sidecar.State.Keys, key => key.Contains(last, StringComparison.Ordinal)); // Nothing of it stays.
        await RunBench.BeginAsync(runs.Http, pipeline); // There is room again.
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task What_has_been_kept_long_enough_is_gone_and_makes_room(string kind)
    {
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script(_ => "Done."));
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, kind, "--Gateway:RunsKeptPerTenant", "1");
        string id = await RunBench.BeginAsync(runs.Http, pipeline, """{"input": "Hello", "keep_seconds": 1}""");
        await GatewayBench.WaitAsync(async () => (await runs.Http.GetAsync($"/v1/pipelines/{pipeline}/runs/{id}")).StatusCode == HttpStatusCode.NotFound, () => "the run to be gone");
        Assert.Empty(Ids(await runs.Http.GetFromJsonAsync<JsonElement>($"/v1/pipelines/{pipeline}/runs")));
        await RunBench.BeginAsync(runs.Http, pipeline);
    }

    [Theory]
    [InlineData("sqlite")]
    [InlineData("dapr")]
    public async Task A_key_whose_run_is_kept_no_longer_is_free_for_another(string kind)
    {
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script(_ => "Done."));
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, kind);
        string first = (await SendAsync()).GetProperty("id").GetString()!; // Accepted.
        await GatewayBench.WaitAsync(async () => (await runs.Http.GetAsync($"/v1/pipelines/{pipeline}/runs/{first}")).StatusCode == HttpStatusCode.NotFound, () => "the run to be gone");

        JsonElement again = await SendAsync(keepSeconds: 60);

        string second = again.GetProperty("id").GetString()!; // Accepted.
        Assert.NotEqual(first, second);
        JsonElement run = await RunBench.UntilAsync(runs.Http, pipeline, second, "completed");
        Assert.Equal("Done.", run.GetProperty("output").GetString());

        async Task<JsonElement> SendAsync(int keepSeconds = 1)
        {
            using HttpResponseMessage answer = await SendKeyedAsync(runs.Http, pipeline, "order-8", new { input = "Hello", keep_seconds = keepSeconds });
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
            return await RunBench.ReadAsync(answer);
        }
    }

    [Fact]
    public async Task The_input_may_be_a_file_or_a_conversation()
    {
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script(prompt => $"<{prompt}>"));
        await using FakeWorker _ = worker;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("aifabric-run-files-");
        await using RunBench runs = await RunBench.StartAsync(bench, "sqlite", "--Gateway:FilesFolder", folder.FullName, "--Gateway:FilesUri", $"file://{folder.FullName}");
        using var form = new MultipartFormDataContent { { new StringContent("Once upon a time"), "file", "story.txt" }, { new StringContent("user_data"), "purpose" } };
        using HttpResponseMessage uploaded = await runs.Http.PostAsync("/v1/files", form);
        JsonElement file = await RunBench.ReadAsync(uploaded);
        Assert.Equal("user_data", file.GetProperty("purpose").GetString());
        string fileId = file.GetProperty("id").GetString()!;

        string id = await RunBench.BeginAsync(runs.Http, pipeline, JsonSerializer.Serialize(new { input = new { file_id = fileId } }));
        Assert.Equal(HttpStatusCode.OK, (await runs.Http.DeleteAsync($"/v1/files/{fileId}")).StatusCode); // The run has what it needs.
        Assert.Equal("<<Once upon a time>>", (await RunBench.UntilAsync(runs.Http, pipeline, id, "completed")).GetProperty("output").GetString());

        id = await RunBench.BeginAsync(runs.Http, pipeline, """{"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]}""");
        Assert.Equal("<<system: Be brief.>\n<user: Hello>>", (await RunBench.UntilAsync(runs.Http, pipeline, id, "completed")).GetProperty("output").GetString());
        folder.Delete(recursive: true);
    }

    private static Task<HttpResponseMessage> SendKeyedAsync<T>(HttpClient http, string pipeline, string key, T body) =>
        http.SendAsync(new HttpRequestMessage(HttpMethod.Post, $"/v1/pipelines/{pipeline}/runs") { Content = JsonContent.Create(body), Headers = { { "Idempotency-Key", key } } });

    private async Task<(FakeWorker Worker, string Pipeline)> ServeAsync(Microsoft.AspNetCore.Http.RequestDelegate script)
    {
        string name = $"async-{Interlocked.Increment(ref _names)}";
        FakeWorker worker = await FakeWorker.StartAsync(name + "-model", script);
        await bench.ServeAsync(name + "-model", worker);
        await bench.DeclarePipelineAsync(name, RunBench.Check(name + "-model", name + "-model"));
        return (worker, name);
    }

    private static IEnumerable<string> Ids(JsonElement page) => page.GetProperty("data").EnumerateArray().Select(run => run.GetProperty("id").GetString()!);

    private static async IAsyncEnumerable<string> WaitAsync(Task gate, [EnumeratorCancellation] CancellationToken token)
    {
        await gate.WaitAsync(token);
        yield return "Done.";
    }

    private static async IAsyncEnumerable<string> HoldAsync(Action begin, Action end, [EnumeratorCancellation] CancellationToken token)
    {
        begin();
        try
        {
            yield return "First claim. ";
            await Task.Delay(Timeout.Infinite, token);
        }
        finally
        {
            end();
        }
    }
}
