using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Pipelines.Execution;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway.Pipelines;

/// <summary>The parts that pipelines are made of, on a real gateway over workers and functions that speak the protocols.</summary>
[Collection(GatewayGroup.Name)]
public sealed class PipelinePartsTests(GatewayBench bench)
{
    [Fact]
    public async Task A_pipeline_runs_in_a_pipeline_and_its_tokens_are_counted_and_its_failure_is_named_through_both()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("nest-model", TalkingModel.Script(prompt => $"({prompt})"));
        await bench.ServeAsync("nest-model", worker);
        await bench.DeclarePipelineAsync("nest-inner", Chain(Model("inside", "nest-model")));
        await bench.DeclarePipelineAsync("nest-outer", Chain(
            Model("before", "nest-model"), new StageSpec { Name = "nested", PipelineRef = new PipelineReference { Name = "nest-inner" }, Inputs = [new InputSpec { From = "before" }] }));

        JsonElement answer = await AskAsync("nest-outer");
        Assert.Equal("((Hello))", Content(answer));
        Assert.Equal(10, answer.GetProperty("usage").GetProperty("total_tokens").GetInt32());

        worker.Script = context => Body(context).Contains("(Hello)", StringComparison.Ordinal) ? Scripts.Refuse(400, "bad")(context) : TalkingModel.Script(prompt => $"({prompt})")(context);
        JsonElement error = (await AskAsync("nest-outer", HttpStatusCode.BadGateway)).GetProperty("error");
        Assert.Equal(("stage_failed", "nested"), (error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
        Assert.Contains("its stage 'inside' failed: the model refused (400)", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_soft_stage_that_fails_is_named_in_the_last_chunk_and_a_hard_one_ends_the_run()
    {
        await using FakeWorker good = await FakeWorker.StartAsync("soft-good", TalkingModel.Script(prompt => $"({prompt})"));
        await using FakeWorker bad = await FakeWorker.StartAsync("soft-bad", Scripts.Refuse(400, "bad"));
        await bench.ServeAsync("soft-good", good);
        await bench.ServeAsync("soft-bad", bad);
        PipelineSpec Spec(StageDependency dependency)
        {
            StageSpec maybe = Model("maybe", "soft-bad");
            maybe.Dependency = dependency;
            var both = new StageSpec { Name = "both", Join = new JoinSpec(), Inputs = [new InputSpec { From = "maybe" }, new InputSpec { From = "sure" }] };
            return new PipelineSpec { Stages = [maybe, Model("sure", "soft-good"), both], Output = new PipelineOutput { From = "both" } };
        }
        await bench.DeclarePipelineAsync("soft-yes", Spec(StageDependency.Soft));
        await bench.DeclarePipelineAsync("soft-no", Spec(StageDependency.Hard));

        JsonElement answer = await AskAsync("soft-yes");
        Assert.Equal("(Hello)", Content(answer));
        Assert.Equal("maybe", Assert.Single(answer.GetProperty("partial_stages").EnumerateArray()).GetString());
        Assert.Equal("maybe", (await AskAsync("soft-no", HttpStatusCode.BadGateway)).GetProperty("error").GetProperty("param").GetString());
    }

    [Fact]
    public async Task What_completes_first_is_enough_and_the_call_that_nobody_waits_for_is_ended()
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // The quick one waits until the slow one works: a call that was never made could not be ended.
        await using FakeWorker quick = await FakeWorker.StartAsync("race-quick", async context =>
        {
            await begun.Task;
            await TalkingModel.Script(_ => "quick")(context);
        });
        await using FakeWorker slow = await FakeWorker.StartAsync("race-slow", TalkingModel.Script((_, token) => StallAsync(begun, ended, token)));
        await bench.ServeAsync("race-quick", quick);
        await bench.ServeAsync("race-slow", slow);
        var race = new StageSpec
        {
            Name = "race",
            Join = new JoinSpec { Policy = JoinPolicy.Count, Count = 1, Order = JoinOrder.Completed },
            Inputs = [new InputSpec { From = "one" }, new InputSpec { From = "two" }],
        };
        // What follows waits for the slow one's worker to be told, so that the run's own end is not what ends the call.
        await using FakeWorker last = await FakeWorker.StartAsync("race-last", async context =>
        {
            await ended.Task.WaitAsync(TimeSpan.FromSeconds(30));
            await TalkingModel.Script(prompt => prompt)(context);
        });
        await bench.ServeAsync("race-last", last);
        await bench.DeclarePipelineAsync("race", new PipelineSpec
        {
            Stages = [Model("one", "race-slow"), Model("two", "race-quick"), race, Model("last", "race-last", "race")],
            Output = new PipelineOutput { From = "last" },
        });

        Assert.Equal("quick", Content(await AskAsync("race")));
        Assert.True(ended.Task.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task A_model_that_is_lost_in_mid_answer_is_asked_elsewhere_and_nothing_is_said_twice_or_differently()
    {
        int asked = 0;
        string second = "It was a dark night.";
        RequestDelegate script = context => Interlocked.Increment(ref asked) % 2 == 1
            ? TalkingModel.Script((_, _) => DieAsync())(context)
            : TalkingModel.Script(_ => second)(context);
        await using FakeWorker one = await FakeWorker.StartAsync("lost", script), two = await FakeWorker.StartAsync("lost", script);
        await bench.ServeAsync("lost", one, two);
        await bench.DeclarePipelineAsync("lost-pipe", Chain(Model("answer", "lost")));

        Assert.Equal("It was a dark night.", Content(await AskAsync("lost-pipe")));
        second = "Once upon a time.";
        JsonElement error = (await AskAsync("lost-pipe", HttpStatusCode.BadGateway)).GetProperty("error");
        Assert.Contains("'answer' failed: a second answer differs", error.GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_carry_their_requests_age_and_a_functions_places_are_never_overrun()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("age-model", TalkingModel.Script(_ => "one;two;three;four"));
        await bench.ServeAsync("age-model", worker);
        await using FakeFunction function = await FakeFunction.StartAsync();
        await bench.DeclarePipelineAsync("age-pipe", new PipelineSpec
        {
            Stages =
            [
                Model("list", "age-model"),
                new StageSpec
                {
                    Name = "look",
                    FunctionRef = new FunctionSpec { Image = "look", Concurrency = 1 },
                    Inputs = [new InputSpec { From = "list", Emit = EmitBy.Delimiter, Delimiter = ";" }],
                },
                new StageSpec { Name = "all", Join = new JoinSpec(), Inputs = [new InputSpec { From = "look" }] },
                Model("last", "age-model", "all"),
            ],
            Output = new PipelineOutput { From = "last" },
        });
        await bench.DeclareFunctionAsync("age-look", "age-pipe", "look", function.Port);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => AskAsync("age-pipe")));

        Assert.Equal(1, function.MostAtATime);
        Assert.Equal(32, function.Received.Count);
        Assert.All(worker.Received, request => Assert.InRange(int.Parse(request.Headers[WorkerHeaders.Age.ToLowerInvariant()], System.Globalization.CultureInfo.InvariantCulture), 0, 60_000));
    }

    [Fact]
    public async Task A_function_of_one_replica_that_drops_a_connection_is_asked_again()
    {
        await using FakeFunction function = await FakeFunction.StartAsync();
        int asked = 0;
        function.Dies = _ => Interlocked.Increment(ref asked) == 1;
        await bench.DeclarePipelineAsync("drop-pipe", Chain(new StageSpec { Name = "look", FunctionRef = new FunctionSpec { Image = "look" } }));
        await bench.DeclareFunctionAsync("drop-look", "drop-pipe", "look", function.Port);

        Assert.Equal("Hello", Content(await AskAsync("drop-pipe")));
        Assert.Equal([false, true], function.Received.Select(request => request.Duplicate));
    }

    [Fact]
    public async Task A_function_that_closes_its_connections_without_saying_so_gets_one_for_each_call()
    {
        await using OldFunction function = OldFunction.Start();
        using var keeping = new HttpClient();
        using var closing = new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero });
        var caller = new FunctionCaller(keeping, closing, new FunctionPlaces());
        var replica = new FunctionReplica("old", new Uri($"http://127.0.0.1:{function.Port}/"));
        var context = new RunContext("run", null, TimeProvider.System);
        for (int call = 1; call <= 3; call++)
        {
            var request = new StageRequest { Pipeline = "p", Stage = "s", Run = "run", Group = "", Closed = call };
            Assert.Equal(["old"], await caller.PostAsync(replica, new FunctionSpec(), context, request, CancellationToken.None).ToListAsync());
        }
        Assert.Equal((3, 0), (function.Requests, function.Reused));
    }

    [Fact]
    public async Task A_replica_to_which_no_connection_is_made_in_time_is_lost_and_not_slow()
    {
        using var http = new HttpClient(new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectTimeout = TimeSpan.FromMilliseconds(50),
            ConnectCallback = async (_, token) =>
            {
                await Task.Delay(Timeout.Infinite, token);
                throw new UnreachableException();
            },
        });
        var caller = new FunctionCaller(http, http, new FunctionPlaces());
        var replica = new FunctionReplica("silent", new Uri("http://127.0.0.1:9/"));
        var request = new StageRequest { Pipeline = "p", Stage = "s", Run = "run", Group = "", Closed = 1 };

        CallException lost = await Assert.ThrowsAsync<CallException>(
            async () => await caller.PostAsync(replica, new FunctionSpec(), new RunContext("run", null, TimeProvider.System), request, CancellationToken.None).ToListAsync());

        Assert.True(lost.MayRetry);
    }

    [Fact]
    public async Task A_run_and_its_calls_are_spans_and_every_call_is_a_part_of_its_run()
    {
        var spans = new System.Collections.Concurrent.ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == PipelineTraces.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using FakeWorker worker = await FakeWorker.StartAsync("span-model", TalkingModel.Script(_ => "One. Two."));
        await bench.ServeAsync("span-model", worker);
        await bench.DeclarePipelineAsync("span-inner", Chain(Model("inside", "span-model")));
        await bench.DeclarePipelineAsync("span-pipe", new PipelineSpec
        {
            Stages =
            [
                Model("answer", "span-model"),
                new StageSpec { Name = "check", PipelineRef = new PipelineReference { Name = "span-inner" }, Inputs = [new InputSpec { From = "answer", Emit = EmitBy.Sentence }] },
                new StageSpec { Name = "report", Join = new JoinSpec(), Inputs = [new InputSpec { From = "check" }] },
            ],
            Output = new PipelineOutput { From = "report" },
        });

        await AskAsync("span-pipe");

        await GatewayBench.WaitAsync(() => Task.FromResult(Spans().Count == 8), () => $"the spans of the run to end: {string.Join(", ", Spans().Select(span => span.OperationName))}");
        Activity run = Assert.Single(Spans(), span => span.OperationName == "pipeline span-pipe");
        Activity[] checks = [.. Spans().Where(span => span.OperationName == "stage check")];
        Assert.Equal(["0", "1"], checks.Select(span => span.GetTagItem("aifabric.item")).Order());
        Assert.All(checks, span => Assert.Equal(run.SpanId, span.ParentSpanId));
        Activity answer = Assert.Single(Spans(), span => span.OperationName == "stage answer");
        Assert.Equal((run.SpanId, 9L), (answer.ParentSpanId, answer.GetTagItem("aifabric.characters")));
        Assert.Equal(
            checks.Select(span => span.SpanId).ToHashSet(), Spans().Where(span => span.OperationName == "pipeline span-inner").Select(span => span.ParentSpanId).ToHashSet());
        // Workers learn of the trace.
        Assert.All(worker.Received, request => Assert.Contains(run.TraceId.ToHexString(), request.Headers["traceparent"], StringComparison.Ordinal));

        // Other tests' pipelines may run meanwhile.
        IReadOnlyList<Activity> Spans()
        {
            ActivityTraceId? trace = spans.FirstOrDefault(span => span.OperationName == "pipeline span-pipe")?.TraceId;
            return [.. spans.Where(span => span.TraceId == trace)];
        }
    }

    private static StageSpec Model(string name, string model, string? from = null) =>
        new() { Name = name, ModelRef = new ModelStageSpec { Name = model }, Inputs = from is null ? null : [new InputSpec { From = from }] };

    private static PipelineSpec Chain(params StageSpec[] stages) => new() { Stages = stages, Output = new PipelineOutput { From = stages[^1].Name } };

    private async Task<JsonElement> AskAsync(string pipeline, HttpStatusCode status = HttpStatusCode.OK)
    {
        using HttpResponseMessage answer = await bench.Http.AskAsync(pipeline);
        string body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == status, body);
        return JsonDocument.Parse(body).RootElement;
    }

    private static async IAsyncEnumerable<string> DieAsync()
    {
        yield return "It was";
        await Task.Yield();
        throw new IOException("The worker is lost.");
    }

    private static async IAsyncEnumerable<string> StallAsync(TaskCompletionSource begun, TaskCompletionSource ended, [EnumeratorCancellation] CancellationToken token)
    {
        begun.SetResult();
        yield return "slow";
        try
        {
            await Task.Delay(Timeout.Infinite, token);
        }
        finally
        {
            ended.SetResult();
        }
    }

    private static string Content(JsonElement answer) => answer.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!; // Never null.

    private static string Body(HttpContext context) => (string)context.Items[FakeWorker.BodyItem]!; // Every request has one.
}
