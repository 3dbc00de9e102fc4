using AiFabric.Cluster.Tests.Gateway.Pipelines;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Copies of requests that go to a model's mirror.</summary>
[Collection(GatewayGroup.Name)]
public sealed class MirrorTests(GatewayBench bench)
{
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task Clients_have_their_answers_while_the_mirror_is_blocked_and_copies_are_marked()
    {
        await using WebApplication gateway = await bench.StartGatewayAsync();
        using HttpClient http = Client(gateway);
        await using FakeWorker stable = await FakeWorker.StartAsync("calm", TrafficBench.Echo);
        await using FakeWorker mirror = await FakeWorker.StartAsync("calm-mirror", Scripts.Stream((_gate.Task, Scripts.FirstEvent), (_gate.Task, Scripts.Done)));
        await MirrorAsync(gateway, "calm", stable, mirror);

        Assert.Equal("calm", await http.AnswererAsync("calm"));
        Assert.Equal("calm", await http.AnswererAsync("calm", stream: true));
        http.DefaultRequestHeaders.Add("AiFabric-Mirrored", "true"); // No client can have its request taken for a copy.
        Assert.Equal("calm", await http.AnswererAsync("calm", "/v1/embeddings"));
        await http.AnswererAsync("calm", "/tokenize"); // Nothing that a model computes.
        await ReceivedAsync(mirror, 3);
        Assert.Equal(0, await bench.MetricAsync("aifabric_gateway_mirrored_requests_total", "model=\"calm\""));
        _gate.SetResult();

        await bench.EndedAsync("calm", "Answered", 3);
        Assert.All(mirror.Received, copy => Assert.Equal(("calm-mirror", "true"), (copy.Model, copy.Headers["aifabric-mirrored"])));
        Assert.Equal(["/v1/chat/completions", "/v1/chat/completions", "/v1/embeddings"], mirror.Received.Select(copy => copy.Path).Order());
        Assert.All(stable.Received, request => Assert.False(request.Headers.ContainsKey("aifabric-mirrored")));
        Assert.Equal(0, await bench.MetricAsync("aifabric_gateway_requests_total", "model=\"calm-mirror\""));
        Assert.Equal(3, await bench.MetricAsync("aifabric_gateway_mirror_duration_seconds_count", "model=\"calm\"", "target=\"calm-mirror\""));
    }

    [Fact]
    public async Task A_part_of_the_requests_is_copied_and_the_canarys_too()
    {
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:TrafficSeed", "5", "--Gateway:MirrorsConcurrent", "400");
        using HttpClient http = Client(gateway);
        await using FakeWorker stable = await FakeWorker.StartAsync("partly", TrafficBench.Echo), next = await FakeWorker.StartAsync("partly-next", TrafficBench.Echo);
        await using FakeWorker mirror = await FakeWorker.StartAsync("partly-mirror", TrafficBench.Echo);
        await bench.ServeAsync("partly-next", next);
        await MirrorAsync(gateway, "partly", stable, mirror, 30, TrafficBench.To("partly-next", 50));
        for (int i = 0; i < 300; i++)
            await http.AnswererAsync("partly");

        Assert.InRange(next.Received.Count, 115, 185);
        double copies = 0;
        await GatewayBench.WaitAsync(
            async () => (copies = await bench.MetricAsync("aifabric_gateway_mirrored_requests_total", "model=\"partly\"", "end=\"Answered\"")) == mirror.Received.Count && copies >= 60,
            () => $"all copies to be answered: {copies}");
        Assert.InRange(copies, 60, 120);
    }

    [Fact]
    public async Task Beyond_the_bound_copies_are_dropped_and_counted()
    {
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:MirrorsConcurrent", "1");
        using HttpClient http = Client(gateway);
        await using FakeWorker stable = await FakeWorker.StartAsync("bounded", TrafficBench.Echo);
        await using FakeWorker mirror = await FakeWorker.StartAsync("bounded-mirror", Scripts.Stream((_gate.Task, Scripts.FirstEvent), (_gate.Task, Scripts.Done)));
        await MirrorAsync(gateway, "bounded", stable, mirror);

        for (int i = 0; i < 3; i++)
            Assert.Equal("bounded", await http.AnswererAsync("bounded"));
        await bench.EndedAsync("bounded", "Dropped", 2);
        _gate.SetResult();
        await bench.EndedAsync("bounded", "Answered", 1);
        Assert.Single(mirror.Received);
        Assert.Equal("bounded", await http.AnswererAsync("bounded"));
        await bench.EndedAsync("bounded", "Answered", 2);
    }

    [Fact]
    public async Task What_goes_wrong_with_a_mirror_is_counted_and_no_client_sees_it()
    {
        await using WebApplication gateway = await bench.StartGatewayAsync();
        using HttpClient http = Client(gateway);
        await using FakeWorker stable = await FakeWorker.StartAsync("brave", TrafficBench.Echo), mirror = await FakeWorker.StartAsync("brave-mirror", Scripts.Refuse(500, "broken"));
        await MirrorAsync(gateway, "brave", stable, mirror);

        Assert.Equal("brave", await http.AnswererAsync("brave"));
        await bench.EndedAsync("brave", "Refused", 1);
        mirror.Script = Scripts.Die;
        Assert.Equal("brave", await http.AnswererAsync("brave"));
        await bench.EndedAsync("brave", "Lost", 1);
        mirror.Script = Scripts.Stream((Task.CompletedTask, Scripts.FirstEvent)); // It ends without the final event.
        Assert.Equal("brave", await http.AnswererAsync("brave"));
        await bench.EndedAsync("brave", "Lost", 2);
        await mirror.StopAsync();
        await gateway.AppliesAsync("brave", isReady: false);
        Assert.Equal("brave", await http.AnswererAsync("brave"));
        await bench.EndedAsync("brave", "NotReady", 1);
    }

    [Theory]
    [InlineData("TimedOut", "1")]
    [InlineData("Stopped", "300")]
    public async Task A_copy_that_takes_too_long_is_cancelled_and_so_is_one_whose_gateway_stops(string end, string seconds)
    {
        string model = $"slow-{end.ToLowerInvariant()}";
        var left = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:MirrorSeconds", seconds);
        using HttpClient http = Client(gateway);
        await using FakeWorker stable = await FakeWorker.StartAsync(model, TrafficBench.Echo), mirror = await FakeWorker.StartAsync($"{model}-mirror", Scripts.Stall(left));
        await MirrorAsync(gateway, model, stable, mirror);

        Assert.Equal(model, await http.AnswererAsync(model));
        await ReceivedAsync(mirror, 1);
        if (end == "Stopped")
            await gateway.StopAsync();
        await left.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await bench.EndedAsync(model, end, 1);
    }

    [Fact]
    public async Task A_pipelines_calls_are_copied()
    {
        await using FakeWorker stable = await FakeWorker.StartAsync("copied-stage", TalkingModel.Script(_ => "Yes."));
        await using FakeWorker mirror = await FakeWorker.StartAsync("copied-stage-mirror", TrafficBench.Echo);
        await MirrorAsync(null, "copied-stage", stable, mirror);
        await bench.DeclarePipelineAsync("copied-chain", new PipelineSpec
        {
            Stages = [new StageSpec { Name = "only", ModelRef = new ModelStageSpec { Name = "copied-stage" }, Prompt = "Say: {{request}}" }],
            Output = new PipelineOutput { From = "only" },
        });

        Assert.Contains("Yes.", await (await bench.Http.AskAsync("copied-chain")).Content.ReadAsStringAsync(), StringComparison.Ordinal);

        await bench.EndedAsync("copied-stage", "Answered", 1);
        ReceivedRequest copy = Assert.Single(mirror.Received);
        Assert.Equal("copied-stage-mirror", copy.Model);
        Assert.Contains("Say: Hello", copy.Body, StringComparison.Ordinal);
    }

    private static HttpClient Client(WebApplication gateway) => new() { BaseAddress = new Uri(gateway.Urls.First()) };

    private static Task ReceivedAsync(FakeWorker mirror, int copies) =>
        GatewayBench.WaitAsync(() => Task.FromResult(mirror.Received.Count == copies), () => $"{copies} copies; there are {mirror.Received.Count}");

    private async Task MirrorAsync(WebApplication? gateway, string model, FakeWorker stable, FakeWorker mirror, int percent = 100, TrafficSpec? canary = null)
    {
        await bench.ServeAsync($"{model}-mirror", mirror);
        await bench.ServeAsync(model, new RoutingSpec { Canary = canary, Mirror = TrafficBench.To($"{model}-mirror", percent) }, stable);
        if (gateway is not null)
            await gateway.AppliesAsync(model, isReady: true, canary is null ? 1 : 2);
        await GatewayBench.WaitAsync(async () => (await bench.ReportAsync()).Traffic?.Any(entry => entry.Model == model && entry.IsMirror && entry.IsReady) == true, () => "the shared gateway too");
    }
}
