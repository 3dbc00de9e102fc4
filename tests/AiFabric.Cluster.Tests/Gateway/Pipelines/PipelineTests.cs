using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Crds.Pipelines;
using AiFabric.Protocol.Gateway;
using AiFabric.Protocol.Sse;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway.Pipelines;

/// <summary>Pipelines on a real gateway over workers that speak the protocol.</summary>
[Collection(GatewayGroup.Name)]
public sealed class PipelineTests(GatewayBench bench, ITestOutputHelper output)
{
    [Fact]
    public async Task The_first_token_of_the_answer_arrives_before_the_last_of_the_first_stage()
    {
        var rest = new TaskCompletionSource();
        await using FakeWorker writer = await FakeWorker.StartAsync("pipe-writer", TalkingModel.Script((_, token) => SlowlyAsync(rest.Task, token)));
        await using FakeWorker checker = await FakeWorker.StartAsync("pipe-checker", TalkingModel.Script(prompt => $"ok({prompt})"));
        await bench.ServeAsync("pipe-writer", writer);
        await bench.ServeAsync("pipe-checker", checker);
        await bench.DeclarePipelineAsync("pipe-early", Check("pipe-writer", "pipe-checker"));

        using HttpResponseMessage answer = await bench.Http.AskForStreamAsync("pipe-early");
        await using Stream stream = await answer.Content.ReadAsStreamAsync();
        await using IAsyncEnumerator<string> events = SseReader.ReadAsync(stream, CancellationToken.None).GetAsyncEnumerator();
        string first = await NextTextAsync(events);
        Assert.False(rest.Task.IsCompleted); // The writer has not said its second sentence, and the answer has begun.
        Assert.Equal("ok(First claim.)", first);
        rest.SetResult();
        string all = first;
        while (await NextTextAsync(events) is { Length: > 0 } text)
            all += text;
        Assert.Equal("ok(First claim.)\nok(Second claim.)", all);
    }

    [Fact]
    public async Task A_client_that_leaves_frees_every_slot_of_the_subtree()
    {
        var never = new TaskCompletionSource();
        int busy = 0;
        async IAsyncEnumerable<string> HoldAsync([EnumeratorCancellation] CancellationToken token)
        {
            Interlocked.Increment(ref busy);
            try
            {
                yield return "First claim. Second claim. ";
                await never.Task.WaitAsync(token);
            }
            finally
            {
                Interlocked.Decrement(ref busy);
            }
        }
        await using FakeWorker writer = await FakeWorker.StartAsync("pipe-held-writer", TalkingModel.Script((_, token) => HoldAsync(token)));
        await using FakeWorker checker = await FakeWorker.StartAsync("pipe-held-checker", TalkingModel.Script((_, token) => HoldAsync(token)));
        await bench.ServeAsync("pipe-held-writer", writer);
        await bench.ServeAsync("pipe-held-checker", checker);
        await bench.DeclarePipelineAsync("pipe-held", Check("pipe-held-writer", "pipe-held-checker"));
        var times = new List<double>();
        for (int i = 0; i < 9; i++)
        {
            using var leaves = new CancellationTokenSource();
            HttpResponseMessage answer = await bench.Http.AskForStreamAsync("pipe-held", leaves.Token);
            await GatewayBench.WaitAsync(() => Task.FromResult(Volatile.Read(ref busy) == 3), () => $"the writer and two checks to be at work ({busy} are)");
            long left = Stopwatch.GetTimestamp();
            answer.Dispose();
            await GatewayBench.WaitAsync(() => Task.FromResult(Volatile.Read(ref busy) == 0), () => "all three to be free");
            times.Add(Stopwatch.GetElapsedTime(left).TotalMilliseconds);
        }
        output.WriteLine($"slots of the subtree freed after {times.Order().ElementAt(4):0.0} ms (median of 9)");
    }

    [Fact]
    public async Task A_group_goes_to_another_replica_when_its_own_is_lost_and_duplicates_are_marked()
    {
        await using FakeWorker writer = await FakeWorker.StartAsync("pipe-lister", TalkingModel.Script(_ => "b;a;c"));
        await bench.ServeAsync("pipe-lister", writer);
        await bench.DeclarePipelineAsync("pipe-fold", new PipelineSpec
        {
            Stages =
            [
                new StageSpec { Name = "list", ModelRef = new ModelStageSpec { Name = "pipe-lister" } },
                new StageSpec
                {
                    Name = "sorted", FunctionRef = new FunctionSpec { Image = "sorter" }, Aggregation = new AggregationSpec(),
                    Inputs = [new InputSpec { From = "list", Emit = EmitBy.Delimiter, Delimiter = ";" }],
                },
            ],
            Output = new PipelineOutput { From = "sorted" },
        });
        await using FakeFunction one = await FakeFunction.StartAsync(), two = await FakeFunction.StartAsync();
        await bench.DeclareFunctionAsync("sorter-1", "pipe-fold", "sorted", one.Port);
        await bench.DeclareFunctionAsync("sorter-2", "pipe-fold", "sorted", two.Port);
        // Whichever has the group dies when it is closed, once, so that all of it has to be told again.
        int deaths = 0;
        one.Dies = two.Dies = request => request.Closed is not null && Interlocked.Increment(ref deaths) == 1;

        string text = await AnswerAsync("pipe-fold");

        Assert.Equal("[a][b][c]", text);
        (FakeFunction lost, FakeFunction heir) = !one.Received.Any(r => r.Duplicate) ? (one, two) : (two, one);
        Assert.Equal([false, false, false], lost.Received.Where(r => r.Closed is null).Select(r => r.Duplicate));
        Assert.Equal([true, true, true], heir.Received.Where(r => r.Closed is null).Select(r => r.Duplicate));
        StageRequest close = Assert.Single(heir.Received, r => r.Closed is not null);
        Assert.Equal(3, close.Closed);
    }

    [Fact]
    public async Task Pipelines_are_listed_and_answer_whole_with_the_usage_of_all_calls_and_show_their_stages_when_asked()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("pipe-plain", TalkingModel.Script(prompt => $"One of {prompt}. Two."));
        await bench.ServeAsync("pipe-plain", worker);
        await bench.DeclarePipelineAsync("pipe-whole", Check("pipe-plain", "pipe-plain"));

        Assert.Contains("\"pipe-whole\"", await bench.Http.GetStringAsync("/v1/models"));
        using HttpResponseMessage answer = await bench.Http.AskAsync("pipe-whole");
        JsonElement body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        Assert.Equal(
            "One of One of Hello.. Two.\nOne of Two.. Two.", body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        Assert.Equal(15, body.GetProperty("usage").GetProperty("total_tokens").GetInt32());

        using HttpResponseMessage stages = await bench.Http.PostAsync("/v1/chat/completions", Asking.Json(
            """{"model":"pipe-whole","stream":true,"stream_options":{"include_intermediate":true},"messages":[{"role":"user","content":"Hello"}]}"""));
        string events = await stages.Content.ReadAsStringAsync();
        Assert.Contains("event: aifabric.stage\ndata: {\"stage\":\"check\",\"item\":\"1\",", events);
        Assert.EndsWith("data: [DONE]\n\n", events);

        using HttpResponseMessage refused = await bench.Http.PostAsync("/v1/chat/completions", Asking.Json(
            """{"model":"pipe-whole","temperature":1,"messages":[{"role":"user","content":"Hello"}]}"""));
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("is decided by the stages", await Asking.RefusedFieldAsync(refused, "temperature"), StringComparison.Ordinal);
        using HttpResponseMessage tools = await bench.Http.PostAsync("/v1/chat/completions", Asking.Json(
            """{"model":"pipe-whole","tools":[],"messages":[{"role":"user","content":"Hello"}]}"""));
        Assert.Contains("is decided by the stages", await Asking.RefusedFieldAsync(tools, "tools"), StringComparison.Ordinal);
        using HttpResponseMessage result = await bench.Http.PostAsync("/v1/chat/completions", Asking.Json(
            """{"model":"pipe-whole","messages":[{"role":"user","content":"Hello"},{"role":"tool","tool_call_id":"a","content":"x"}]}"""));
        Assert.Contains("calls no tools", await Asking.RefusedFieldAsync(result, "messages[1]"), StringComparison.Ordinal);
        using HttpResponseMessage call = await bench.Http.PostAsync("/v1/chat/completions", Asking.Json(
            """{"model":"pipe-whole","messages":[{"role":"assistant","content":"Hello","tool_calls":[{"id":"a"}]}]}"""));
        Assert.Contains("calls no tools", await Asking.RefusedFieldAsync(call, "messages[0]"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_of_1000_concurrent_runs_ends_with_its_answer_or_an_error_that_names_the_stage()
    {
        int calls = 0;
        // Two of a hundred calls fail for good: with an answer that no retry would change.
        await using FakeWorker worker = await FakeWorker.StartAsync("pipe-faulty", context =>
            Interlocked.Increment(ref calls) % 50 == 0 ? Scripts.Refuse(400, "bad")(context) : TalkingModel.Script(prompt => $"One of {prompt}. Two.")(context));
        await bench.ServeAsync("pipe-faulty", worker);
        await bench.DeclarePipelineAsync("pipe-many", Check("pipe-faulty", "pipe-faulty"));
        // The first round fills pools of connections and buffers; what a second one adds would be held by runs that have ended.
        await Task.WhenAll(Enumerable.Range(0, 1_000).Select(_ => AnswerAsync("pipe-many")));
        long before = GC.GetTotalMemory(forceFullCollection: true);

        string[] ends = await Task.WhenAll(Enumerable.Range(0, 1_000).Select(_ => AnswerAsync("pipe-many")));

        int good = ends.Count(end => end == "One of One of Hello.. Two.\nOne of Two.. Two.");
        int named = ends.Count(end => end.Contains("The stage 'answer' failed: the model refused (400)", StringComparison.Ordinal)
            || end.Contains("The stage 'check' failed: the model refused (400)", StringComparison.Ordinal));
        Assert.Equal(1_000, good + named);
        Assert.InRange(named, 20, 100);
        long after = GC.GetTotalMemory(forceFullCollection: true);
        Assert.True(after - before < 32 << 20, $"{(after - before) >> 20} MiB more are held after 1000 more runs");
        output.WriteLine($"{good} answers, {named} errors that name the stage; {(after - before) >> 10} KiB more held afterwards");
    }

    private static PipelineSpec Check(string writer, string checker) => new()
    {
        Stages =
        [
            new StageSpec { Name = "answer", ModelRef = new ModelStageSpec { Name = writer } },
            new StageSpec { Name = "check", ModelRef = new ModelStageSpec { Name = checker }, Inputs = [new InputSpec { From = "answer", Emit = EmitBy.Sentence }] },
            new StageSpec { Name = "report", Join = new JoinSpec(), Inputs = [new InputSpec { From = "check" }] },
        ],
        Output = new PipelineOutput { From = "report" },
    };

    private static async IAsyncEnumerable<string> SlowlyAsync(Task rest, [EnumeratorCancellation] CancellationToken token)
    {
        yield return "First ";
        yield return "claim. ";
        await rest.WaitAsync(token);
        yield return "Second claim.";
    }

    /// <summary>The content of the answer, or the error's message.</summary>
    private async Task<string> AnswerAsync(string pipeline)
    {
        using HttpResponseMessage answer = await bench.Http.AskAsync(pipeline);
        JsonElement body = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;
        return body.TryGetProperty("error", out JsonElement error)
            ? error.GetProperty("message").GetString()!
            : body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
    }

    /// <summary>The next piece of the answer; empty at its end.</summary>
    private static async Task<string> NextTextAsync(IAsyncEnumerator<string> events)
    {
        while (await events.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30)) && events.Current != SseFrame.Done)
        {
            JsonElement choices = JsonDocument.Parse(events.Current).RootElement.GetProperty("choices");
            if (choices.GetArrayLength() > 0 && choices[0].GetProperty("delta").TryGetProperty("content", out JsonElement text) && text.GetString() is { Length: > 0 } piece)
                return piece;
        }
        return "";
    }
}
