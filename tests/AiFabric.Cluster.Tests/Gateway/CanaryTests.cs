using System.Net;
using System.Text.Json;
using AiFabric.Cluster.Tests.Gateway.Pipelines;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Requests that a model's canary answers.</summary>
[Collection(GatewayGroup.Name)]
public sealed class CanaryTests(GatewayBench bench) : IAsyncLifetime
{
    private WebApplication? _gateway;
    private HttpClient? _http;

    private WebApplication Gateway => _gateway!; // Set on start.

    private HttpClient Http => _http!; // Set on start.

    public async ValueTask InitializeAsync()
    {
        _gateway = await bench.StartGatewayAsync("--Gateway:TrafficSeed", "7");
        _http = new HttpClient { BaseAddress = new Uri(Gateway.Urls.First()) };
    }

    public async ValueTask DisposeAsync()
    {
        _http?.Dispose();
        if (_gateway is not null)
            await _gateway.DisposeAsync();
    }

    [Fact]
    public async Task A_quarter_of_the_requests_goes_to_the_canary_and_every_answer_says_who_gave_it()
    {
        await using FakeWorker stable = await ServeAsync("quarter"), next = await FakeWorker.StartAsync("quarter-next", TrafficBench.Echo);
        await CanaryAsync("quarter", stable, next, 25);
        string[] answerers = new string[400];
        for (int i = 0; i < answerers.Length; i++)
            answerers[i] = await Http.AnswererAsync("quarter", stream: i % 2 == 0);

        Assert.InRange(answerers.Count(who => who == "quarter-next"), 70, 130); // 100, and three and a half standard deviations.
        Assert.Equal(answerers.Count(who => who == "quarter"), stable.Received.Count);
        Assert.All(next.Received, request => Assert.Equal("quarter-next", request.Model));
        Assert.Equal(next.Received.Count, await bench.MetricAsync("aifabric_gateway_canary_requests_total", "model=\"quarter\"", "target=\"quarter-next\"", "code=\"200\""));
        Assert.Equal(stable.Received.Count, await bench.MetricAsync("aifabric_gateway_canary_requests_total", "model=\"quarter\"", "target=\"quarter\"", "code=\"200\""));
        Assert.Equal(400, await bench.MetricAsync("aifabric_gateway_canary_time_to_first_byte_seconds_count", "model=\"quarter\""));
        Assert.Equal(400, await bench.MetricAsync("aifabric_gateway_requests_total", "model=\"quarter\"", "code=\"200\""));
        Assert.Equal(0, await bench.MetricAsync("aifabric_gateway_requests_total", "model=\"quarter-next\""));
    }

    [Fact]
    public async Task A_session_stays_on_its_side_also_at_another_gateway()
    {
        await using FakeWorker stable = await ServeAsync("sticky"), next = await FakeWorker.StartAsync("sticky-next", TrafficBench.Echo);
        await CanaryAsync("sticky", stable, next, 50);
        await using WebApplication second = await bench.StartGatewayAsync();
        await second.AppliesAsync("sticky", isReady: true);
        using var other = new HttpClient { BaseAddress = new Uri(second.Urls.First()) };
        var sides = new HashSet<string>();
        for (int i = 0; i < 20; i++)
        {
            string first = await Http.AnswererAsync("sticky", session: $"s{i}");
            Assert.Equal(first, await Http.AnswererAsync("sticky", session: $"s{i}"));
            Assert.Equal(first, await other.AnswererAsync("sticky", session: $"s{i}"));
            sides.Add(first);
        }
        Assert.Equal(2, sides.Count);
    }

    [Fact]
    public async Task All_that_a_model_computes_goes_to_the_canary_and_what_its_tokenizer_does_stays()
    {
        await using FakeWorker stable = await ServeAsync("whole"), next = await FakeWorker.StartAsync("whole-next", TrafficBench.Echo);
        next.Adapters = ["french"];
        stable.Adapters = ["german"];
        await CanaryAsync("whole", stable, next, 100, "french");

        foreach (string path in (string[])["/v1/chat/completions", "/v1/completions", "/v1/embeddings"])
            Assert.Equal("whole-next:french", await Http.AnswererAsync("whole", path));
        foreach (string path in (string[])["/tokenize", "/detokenize"])
            Assert.Equal("whole", await Http.AnswererAsync("whole", path));
        Assert.Equal("whole:german", await Http.AnswererAsync("whole:german"));
        Assert.Equal("whole-next", await Http.AnswererAsync("whole-next"));
    }

    [Fact]
    public async Task A_canary_without_a_worker_gets_nothing_until_it_has_one()
    {
        await using FakeWorker stable = await ServeAsync("early"), next = await FakeWorker.StartAsync("early-next", TrafficBench.Echo);
        await bench.ServeAsync("early", new RoutingSpec { Canary = TrafficBench.To("early-next", 100) }, stable);
        await Gateway.AppliesAsync("early", isReady: false);
        Assert.Equal("early", await Http.AnswererAsync("early"));

        await bench.ServeAsync("early-next", next);
        await Gateway.AppliesAsync("early", isReady: true);
        Assert.Equal("early-next", await Http.AnswererAsync("early"));

        await bench.Client.DeleteAsync<V1Pod>("early-next-0", GatewayBench.Space);
        await Gateway.AppliesAsync("early", isReady: false);
        Assert.Equal("early", await Http.AnswererAsync("early"));
        Assert.Equal(2, await bench.MetricAsync("aifabric_gateway_canary_fallbacks_total", "model=\"early\"", "target=\"early-next\"", "reason=\"NotReady\""));
    }

    [Fact]
    public async Task A_canary_that_dies_or_refuses_before_its_first_byte_leaves_the_request_to_the_model()
    {
        await using FakeWorker stable = await ServeAsync("frail"), next = await FakeWorker.StartAsync("frail-next", Scripts.Die);
        await CanaryAsync("frail", stable, next, 100);
        Assert.Equal("frail", await Http.AnswererAsync("frail"));
        next.Script = Scripts.Refuse(503, "overloaded");
        Assert.Equal("frail", await Http.AnswererAsync("frail", stream: true));
        Assert.Equal(2, next.Received.Count);
        Assert.Equal(2, await bench.MetricAsync("aifabric_gateway_canary_fallbacks_total", "model=\"frail\"", "reason=\"Failed\""));

        // What it answers is its answer, whatever it says.
        next.Script = Scripts.Refuse(400, "context_length_exceeded");
        await Asking.RefusedAsync(await Http.AskAsync("frail"), HttpStatusCode.BadRequest, "context_length_exceeded");
        Assert.Equal(1, await bench.MetricAsync("aifabric_gateway_canary_requests_total", "model=\"frail\"", "target=\"frail-next\"", "code=\"400\""));
    }

    [Fact]
    public async Task A_pipelines_stages_ask_the_canary_and_the_model_when_it_fails()
    {
        await using FakeWorker stable = await FakeWorker.StartAsync("changeling", TalkingModel.Script(_ => "stable")), next = await FakeWorker.StartAsync("changeling-next", TalkingModel.Script(_ => "next"));
        await CanaryAsync("changeling", stable, next, 100);
        await bench.DeclarePipelineAsync("changeling-chain", new PipelineSpec
        {
            Stages = [new StageSpec { Name = "only", ModelRef = new ModelStageSpec { Name = "changeling" } }],
            Output = new PipelineOutput { From = "only" },
        });
        await bench.Http.AskAsync("changeling-chain");
        Assert.Equal("next", await SaidAsync());
        Assert.Equal("changeling-next", next.Received[^1].Model);

        next.Script = Scripts.Die;
        Assert.Equal("stable", await SaidAsync());
        Assert.Equal("changeling", Assert.Single(stable.Received).Model);
        Assert.Equal(1, await bench.MetricAsync("aifabric_gateway_canary_fallbacks_total", "model=\"changeling\"", "reason=\"Failed\""));

        // The canary has said something: the model's own answer would not go on from there.
        const string Piece = "data: {\"id\":\"c\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"next\"}}]}\n\n";
        next.Script = Scripts.Stream((Task.CompletedTask, Piece));
        using HttpResponseMessage failed = await bench.Http.AskAsync("changeling-chain");
        Assert.Equal("only", JsonDocument.Parse(await failed.Content.ReadAsStringAsync()).RootElement.GetProperty("error").GetProperty("param").GetString());
        Assert.Single(stable.Received);

        async Task<string?> SaidAsync()
        {
            using JsonDocument answer = JsonDocument.Parse(await (await bench.Http.AskAsync("changeling-chain")).Content.ReadAsStringAsync());
            return answer.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString();
        }
    }

    private static Task<FakeWorker> ServeAsync(string name) => FakeWorker.StartAsync(name, TrafficBench.Echo);

    private async Task CanaryAsync(string model, FakeWorker stable, FakeWorker next, int percent, string? adapter = null)
    {
        await bench.ServeAsync($"{model}-next", next);
        await bench.ServeAsync(model, new RoutingSpec { Canary = TrafficBench.To($"{model}-next", percent, adapter) }, stable);
        await Gateway.AppliesAsync(model, isReady: true);
        await GatewayBench.WaitAsync(async () => (await bench.ReportAsync()).Traffic?.Any(entry => entry.Model == model && entry.IsReady) == true, () => "the shared gateway too");
        foreach (string listed in stable.Adapters.Select(name => $"{model}:{name}"))
            await GatewayBench.WaitAsync(async () => (await Http.GetStringAsync("/v1/models")).Contains(listed, StringComparison.Ordinal), () => $"{listed} to be listed");
    }
}
