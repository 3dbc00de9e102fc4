using System.Net.Http.Json;
using AiFabric.Crds.Pipelines;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Spans of the gateway and of a real worker, as a collector gets them.</summary>
[Collection(GatewayGroup.Name)]
public sealed class TracingTests(GatewayBench bench)
{
    private const string Trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    private const string Caller = "00f067aa0ba902b7";

    [Fact]
    public async Task A_run_is_one_trace_from_the_client_through_its_stages_into_the_worker()
    {
        await using FakeCollector collector = await FakeCollector.StartAsync();
        await using var worker = new TracedWorker(bench, collector.Url);
        await worker.InitializeAsync();
        await bench.DeclarePipelineAsync("traced-pipe", new PipelineSpec
        {
            Stages = [new StageSpec { Name = "answer", ModelRef = new ModelStageSpec { Name = TracedWorker.Model }, Parameters = new GenerationParameters { MaxTokens = 4 } }],
            Output = new PipelineOutput { From = "answer" },
        });
        await using (WebApplication gateway = await bench.StartGatewayAsync(Settings(collector.Url)))
        {
            using var ask = new HttpRequestMessage(HttpMethod.Post, new Uri(new Uri(gateway.Urls.First()), "/v1/chat/completions"))
            {
                Content = JsonContent.Create(new { model = "traced-pipe", messages = new[] { new { role = "user", content = "Hello" } } }),
                Headers = { { "traceparent", $"00-{Trace}-{Caller}-01" } },
            };
            using var client = new HttpClient(new SocketsHttpHandler { ActivityHeadersPropagator = null }); // Else a span of this process's own would be the caller.
            (await client.SendAsync(ask)).EnsureSuccessStatusCode();
            (await client.GetAsync(new Uri(new Uri(gateway.Urls.First()), "/v1/models"))).EnsureSuccessStatusCode();
        } // Which sends what it still has.
        await GatewayBench.WaitAsync(() => Task.FromResult(collector.Spans.Any(span => span.Name == "generate")), () => $"the worker's span: {string.Join('\n', collector.Spans)}");

        CollectedSpan[] spans = [.. collector.Spans.Where(span => span.Trace == Trace)];
        CollectedSpan request = Assert.Single(spans, span => span.Parent == Caller);
        Assert.Equal(("aifabric-gateway", "POST /v1/chat/completions"), (request.Service, request.Name));
        CollectedSpan run = Assert.Single(spans, span => span.Name == "pipeline traced-pipe");
        CollectedSpan stage = Assert.Single(spans, span => span.Name == "stage answer");
        CollectedSpan generation = Assert.Single(spans, span => span.Name == "generate");
        Assert.Equal((request.Id, run.Id, "traced"), (run.Parent, stage.Parent, generation.Service));
        string[] way = [.. Ancestors(generation).Select(span => span.Id)];
        Assert.Contains(stage.Id, way);
        Assert.DoesNotContain(collector.Spans, span => span.Name.StartsWith("GET", StringComparison.Ordinal)); // Neither a list nor what the gateway asks workers all the time.

        IEnumerable<CollectedSpan> Ancestors(CollectedSpan span)
        {
            while (spans.FirstOrDefault(other => other.Id == span.Parent) is { } parent)
                yield return span = parent;
        }
    }

    [Fact]
    public async Task An_endpoint_that_is_no_address_is_refused_by_name()
    {
        var refused = await Assert.ThrowsAsync<InvalidOperationException>(() => bench.StartGatewayAsync("--OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"));
        Assert.Equal("OTEL_EXPORTER_OTLP_ENDPOINT is 'collector:4317'; it must be an absolute address such as http://collector:4317.", refused.Message);
    }

    private static string[] Settings(string collector) => [.. TracedWorker.VariablesOf(collector).SelectMany(variable => (string[])[$"--{variable.Key}", variable.Value])];

    /// <summary>A worker that sends its spans.</summary>
    private sealed class TracedWorker(GatewayBench bench, string collector) : RealWorker(bench, Model)
    {
        public const string Model = "traced-model";

        public static Dictionary<string, string> VariablesOf(string collector) => new()
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
        };

        protected override IEnumerable<KeyValuePair<string, string>> Variables => VariablesOf(collector).Append(new("OTEL_SERVICE_NAME", "traced"));
    }
}
