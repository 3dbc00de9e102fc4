using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Streams and failing workers: what is tried again, what the client is told, and what the worker is told.</summary>
[Collection(GatewayGroup.Name)]
public sealed class StreamingTests(GatewayBench bench)
{
    private const string ChatPath = "/v1/chat/completions";

    [Fact]
    public async Task Each_event_passes_untouched_before_the_next_one_exists()
    {
        const string odd = ": a comment\nid: 7\nevent: x\ndata: {\"ü\" :\t1}\ndata: two\n\n";
        var second = new TaskCompletionSource();
        await using FakeWorker worker = await FakeWorker.StartAsync(
            "flow", Scripts.Stream((Task.CompletedTask, Scripts.FirstEvent), (second.Task, odd), (second.Task, Scripts.Done)));
        await bench.ServeAsync("flow", worker);

        using HttpResponseMessage answer = await bench.Http.AskForStreamAsync("flow");
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType!.MediaType); // sent by the worker
        await using Stream stream = await answer.Content.ReadAsStreamAsync();
        Assert.Equal(Scripts.FirstEvent, await Asking.ReadEventAsync(stream));
        second.SetResult();
        using var rest = new StreamReader(stream, Encoding.UTF8);
        Assert.Equal(odd + Scripts.Done, await rest.ReadToEndAsync());
    }

    [Theory]
    [InlineData("dying")]
    [InlineData("leaving")]
    [InlineData("full")]
    [InlineData("breaking-off")]
    [InlineData("refusing")]
    public async Task Another_worker_answers_when_one_fails_before_its_first_event(string failure)
    {
        await using FakeWorker one = await FakeWorker.StartAsync(failure), two = await FakeWorker.StartAsync(failure);
        await bench.ServeAsync(failure, one, two);
        Assert.Equal(HttpStatusCode.OK, (await bench.Http.AskAsync(failure)).StatusCode);
        // Idle workers take turns, so the other one is asked next.
        (FakeWorker first, FakeWorker other) = one.Received.Count == 1 ? (two, one) : (one, two);
        switch (failure)
        {
            case "dying": first.Script = Scripts.Die; break;
            case "leaving": first.Script = Scripts.Refuse(503, "shutting_down"); break;
            case "full": first.Script = Scripts.Refuse(429, "queue_full"); break;
            case "breaking-off": first.Script = Scripts.Stream((Task.CompletedTask, "data: {\"half")); break;
            default: await first.StopAsync(); break;
        }

        using HttpResponseMessage answer = await bench.Http.AskAsync(failure);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(Scripts.Body, await answer.Content.ReadAsStringAsync());
        Assert.Equal(2, other.Received.Count);
        Assert.Equal(failure == "refusing" ? 0 : 1, first.Received.Count);
    }

    [Fact]
    public async Task When_every_worker_dies_the_client_is_told_to_try_again()
    {
        await using FakeWorker one = await FakeWorker.StartAsync("mortal", Scripts.Die), two = await FakeWorker.StartAsync("mortal", Scripts.Die);
        await bench.ServeAsync("mortal", one, two);

        using HttpResponseMessage answer = await bench.Http.AskAsync("mortal");

        await Asking.RefusedAsync(answer, HttpStatusCode.BadGateway, "worker_unreachable");
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Single(one.Received);
        Assert.Single(two.Received);
    }

    [Fact]
    public async Task The_last_refusal_and_every_client_error_pass_as_the_worker_wrote_them()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("strict-one", Scripts.Refuse(503, "shutting_down"));
        await bench.ServeAsync("strict-one", worker);
        await Asking.RefusedAsync(await bench.Http.AskAsync("strict-one"), HttpStatusCode.ServiceUnavailable, "shutting_down");

        worker.Script = Scripts.Refuse(400, "context_length_exceeded");
        await Asking.RefusedAsync(await bench.Http.AskAsync("strict-one"), HttpStatusCode.BadRequest, "context_length_exceeded");
        Assert.Equal(2, worker.Received.Count);
    }

    [Fact]
    public async Task A_worker_lost_in_mid_stream_ends_the_stream_with_an_error_event_and_no_retry()
    {
        var gate = new TaskCompletionSource();
        RequestDelegate script = Scripts.DieInMidStream(gate.Task);
        await using FakeWorker one = await FakeWorker.StartAsync("fragile", script), two = await FakeWorker.StartAsync("fragile", script);
        await bench.ServeAsync("fragile", one, two);

        using HttpResponseMessage answer = await bench.Http.AskForStreamAsync("fragile");
        await using Stream stream = await answer.Content.ReadAsStreamAsync();
        Assert.Equal(Scripts.FirstEvent, await Asking.ReadEventAsync(stream));
        gate.SetResult();
        using var rest = new StreamReader(stream);
        string end = await rest.ReadToEndAsync();

        Assert.StartsWith("data: {\"error\":{", end, StringComparison.Ordinal); // nothing of the half event
        Assert.Contains("\"worker_lost\"", end, StringComparison.Ordinal);
        Assert.EndsWith("\n\n", end, StringComparison.Ordinal);
        Assert.Equal(1, one.Received.Count + two.Received.Count);
    }

    [Fact]
    public async Task A_worker_that_closes_hard_after_its_final_event_has_answered_whole()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("abrupt");
        var gate = new TaskCompletionSource();
        worker.Script = async context =>
        {
            await Scripts.Stream((Task.CompletedTask, Scripts.FirstEvent), (Task.CompletedTask, Scripts.Done))(context);
            await gate.Task;
            context.Abort();
        };
        await bench.ServeAsync("abrupt", worker);

        using HttpResponseMessage answer = await bench.Http.AskForStreamAsync("abrupt");
        await using Stream stream = await answer.Content.ReadAsStreamAsync();
        Assert.Equal(Scripts.FirstEvent, await Asking.ReadEventAsync(stream));
        Assert.Equal(Scripts.Done, await Asking.ReadEventAsync(stream));
        gate.SetResult();
        using var rest = new StreamReader(stream);
        Assert.Empty(await rest.ReadToEndAsync());
    }

    [Fact]
    public async Task A_stalled_worker_is_lost_after_the_idle_timeout_and_its_request_aborted()
    {
        var left = new TaskCompletionSource();
        await using FakeWorker worker = await FakeWorker.StartAsync("stalled", Scripts.Stall(left));
        await bench.ServeAsync("stalled", worker);
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:IdleTimeoutSeconds", "1");
        using var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };

        using HttpResponseMessage answer = await http.AskForStreamAsync("stalled");
        string all = await answer.Content.ReadAsStringAsync();

        Assert.StartsWith(Scripts.FirstEvent, all, StringComparison.Ordinal);
        Assert.Contains("\"worker_lost\"", all, StringComparison.Ordinal);
        await left.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_stream_may_last_longer_than_the_idle_timeout_while_events_come()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("slow", async context =>
        {
            context.Response.ContentType = "text/event-stream";
            using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
            for (int i = 0; i < 8; i++)
            {
                await context.Response.WriteAsync(Scripts.FirstEvent);
                await context.Response.Body.FlushAsync();
                await pace.WaitForNextTickAsync(context.RequestAborted);
            }

            await context.Response.WriteAsync(Scripts.Done);
        });
        await bench.ServeAsync("slow", worker);
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:IdleTimeoutSeconds", "1");
        using var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };

        using HttpResponseMessage answer = await http.AskForStreamAsync("slow");

        Assert.Equal(string.Concat(Enumerable.Repeat(Scripts.FirstEvent, 8)) + Scripts.Done, await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_whole_answer_may_take_longer_than_a_stream_may_be_silent()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("long", async context =>
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1_500));
            await timer.WaitForNextTickAsync(context.RequestAborted);
            await Scripts.Answer(context);
        });
        await bench.ServeAsync("long", worker);
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:IdleTimeoutSeconds", "1");
        using var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };

        using HttpResponseMessage answer = await http.AskAsync("long");

        Assert.Equal(Scripts.Body, await answer.Content.ReadAsStringAsync());
        Assert.Single(worker.Received);
    }

    [Fact]
    public async Task An_answer_that_does_not_begin_in_time_is_504_and_nobody_else_is_asked()
    {
        var left = new TaskCompletionSource();
        RequestDelegate never = async context =>
        {
            await using CancellationTokenRegistration noted = context.RequestAborted.Register(left.SetResult);
            await left.Task;
        };
        await using FakeWorker one = await FakeWorker.StartAsync("unanswered", never), two = await FakeWorker.StartAsync("unanswered", never);
        await bench.ServeAsync("unanswered", one, two);
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:AnswerTimeoutSeconds", "1");
        using var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };

        await Asking.RefusedAsync(await http.AskAsync("unanswered"), HttpStatusCode.GatewayTimeout, "answer_timeout");

        await left.Task.WaitAsync(TimeSpan.FromSeconds(30)); // The worker is told.
        Assert.Single((IEnumerable<ReceivedRequest>)[.. one.Received, .. two.Received]);
    }

    [Fact]
    public async Task A_client_that_leaves_aborts_the_workers_request()
    {
        var left = new TaskCompletionSource();
        await using FakeWorker worker = await FakeWorker.StartAsync("left", Scripts.Stall(left));
        await bench.ServeAsync("left", worker);

        using HttpResponseMessage answer = await bench.Http.AskForStreamAsync("left");
        Stream stream = await answer.Content.ReadAsStreamAsync();
        Assert.Equal(Scripts.FirstEvent, await Asking.ReadEventAsync(stream));
        Assert.False(left.Task.IsCompleted);
        await stream.DisposeAsync();
        answer.Dispose();

        await left.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_client_that_leaves_before_the_first_byte_aborts_the_workers_request_too()
    {
        var came = new TaskCompletionSource();
        var left = new TaskCompletionSource();
        await using FakeWorker worker = await FakeWorker.StartAsync("patient", async context =>
        {
            await using CancellationTokenRegistration noted = context.RequestAborted.Register(left.SetResult);
            came.SetResult();
            await left.Task;
        });
        await bench.ServeAsync("patient", worker);
        using var leave = new CancellationTokenSource();

        Task<HttpResponseMessage> asking = bench.Http.AskForStreamAsync("patient", leave.Token);
        await came.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await leave.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await left.Task.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Single(worker.Received);
    }

    [Fact]
    public async Task The_trace_goes_on_to_the_worker_and_the_body_is_not_changed()
    {
        const string trace = "0af7651916cd43dd8448eb211c80319c";
        const string body = """{ "messages":[],  "model" : "traced", "odd": "\u00e9" }""";
        await using FakeWorker worker = await FakeWorker.StartAsync("traced");
        await bench.ServeAsync("traced", worker);
        using var request = new HttpRequestMessage(HttpMethod.Post, ChatPath) { Content = Asking.Json(body) };
        request.Headers.Add("traceparent", $"00-{trace}-b7ad6b7169203331-01");
        request.Headers.Add("tracestate", "vendor=1");

        (await bench.Http.SendAsync(request)).EnsureSuccessStatusCode();

        ReceivedRequest received = Assert.Single(worker.Received);
        Assert.StartsWith($"00-{trace}-", received.Headers["traceparent"], StringComparison.Ordinal);
        Assert.Equal("vendor=1", received.Headers["tracestate"]);
        Assert.Equal(body, received.Body);
    }
}
