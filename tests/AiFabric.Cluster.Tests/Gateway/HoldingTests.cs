using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Xunit;
using AdapterSpec = AiFabric.Crds.Adapters.AdapterSpec;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Requests for models that exist and have no worker yet.</summary>
[Collection(GatewayGroup.Name)]
public sealed class HoldingTests(GatewayBench bench)
{
    [Fact]
    public async Task A_held_request_is_served_when_a_worker_appears()
    {
        await using WebApplication gateway = await StartAsync();
        using HttpClient http = Client(gateway);
        await DeclareAsync(gateway, "sleeper", spec => spec.Scaling = new ScalingSpec { MinReplicas = 0, MaxReplicas = 1 });
        await using FakeWorker worker = await FakeWorker.StartAsync("sleeper", Scripts.Stream((Task.CompletedTask, Scripts.FirstEvent), (Task.CompletedTask, Scripts.Done)));
        Assert.Contains("\"sleeper\"", await http.GetStringAsync("/v1/models"), StringComparison.Ordinal);

        Task<HttpResponseMessage> asked = http.AskForStreamAsync("sleeper");
        await HeldAsync(gateway, "sleeper", 1);
        Assert.False(asked.IsCompleted);
        await bench.DeclarePodAsync("sleeper-0", "sleeper", worker.Port);

        using HttpResponseMessage answer = await asked;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(Scripts.FirstEvent + Scripts.Done, await answer.Content.ReadAsStringAsync());
        await HeldAsync(gateway, "sleeper", 0);
    }

    [Fact]
    public async Task Every_held_request_is_served_once()
    {
        await using WebApplication gateway = await StartAsync();
        using HttpClient http = Client(gateway);
        await DeclareAsync(gateway, "queue");
        await using FakeWorker worker = await FakeWorker.StartAsync("queue");
        var asked = new List<Task<HttpResponseMessage>>();
        for (int i = 0; i < 8; i++)
        {
            asked.Add(http.PostAsync("/v1/completions", Asking.Json($$"""{"model":"queue","prompt":"{{i}}"}""")));
            await HeldAsync(gateway, "queue", i + 1);
        }

        await bench.DeclarePodAsync("queue-0", "queue", worker.Port);

        Assert.All(await Task.WhenAll(asked), answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
        Assert.Equal(
            Enumerable.Range(0, 8).Select(i => $"{i}"),
            worker.Received.Select(r => JsonDocument.Parse(r.Body).RootElement.GetProperty("prompt").GetString()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Beyond_the_bounds_requests_are_refused_with_a_time_to_try_again()
    {
        await using WebApplication gateway = await StartAsync("--Gateway:HeldRequestsPerModel", "2", "--Gateway:HeldRequests", "3", "--Gateway:HeldBytes", "4096");
        using HttpClient http = Client(gateway);
        await DeclareAsync(gateway, "narrow");
        await DeclareAsync(gateway, "beside");
        using var leave = new CancellationTokenSource();
        List<Task> waiting = [http.AskForStreamAsync("narrow", leave.Token), http.AskForStreamAsync("narrow", leave.Token)];
        await HeldAsync(gateway, "narrow", 2);
        await FullAsync(() => http.AskAsync("narrow"));

        // A body that would take too many bytes is refused although there is a place, then the last place is taken.
        await FullAsync(() => http.PostAsync("/v1/completions", Asking.Json($$"""{"model":"beside","prompt":"{{new string('x', 4096)}}"}""")));
        waiting.Add(http.AskForStreamAsync("beside", leave.Token));
        await HeldAsync(gateway, "beside", 1);
        await FullAsync(() => http.AskAsync("beside"));

        await leave.CancelAsync();
        await Task.WhenAll(waiting.Select(task => Assert.ThrowsAnyAsync<OperationCanceledException>(() => task)));
        await HeldAsync(gateway, "narrow", 0);
        await HeldAsync(gateway, "beside", 0);
        Assert.Contains("aifabric_gateway_held_bytes 0", await http.GetStringAsync(new Uri(GatewayBench.Internal(gateway), "/metrics")), StringComparison.Ordinal);

        async Task FullAsync(Func<Task<HttpResponseMessage>> ask)
        {
            using HttpResponseMessage refused = await ask();
            await Asking.RefusedAsync(refused, HttpStatusCode.ServiceUnavailable, "model_queue_full");
            Assert.Equal(TimeSpan.FromSeconds(5), refused.Headers.RetryAfter?.Delta);
        }
    }

    [Fact]
    public async Task A_request_that_waited_its_time_is_refused_with_a_time_to_try_again()
    {
        await using WebApplication gateway = await StartAsync("--Gateway:HoldSeconds", "1");
        using HttpClient http = Client(gateway);
        await DeclareAsync(gateway, "never");

        using HttpResponseMessage refused = await http.AskAsync("never");

        await Asking.RefusedAsync(refused, HttpStatusCode.ServiceUnavailable, "model_not_ready");
        Assert.NotNull(refused.Headers.RetryAfter?.Delta);
        await HeldAsync(gateway, "never", 0);
    }

    [Fact]
    public async Task A_model_that_its_owner_set_to_zero_is_refused_at_once()
    {
        await using WebApplication gateway = await StartAsync();
        using HttpClient http = Client(gateway);
        await DeclareAsync(gateway, "off", spec => spec.Replicas = 0);

        using HttpResponseMessage refused = await http.AskAsync("off");

        Assert.Contains("owner", await Asking.RefusedAsync(refused, HttpStatusCode.ServiceUnavailable, "model_stopped"), StringComparison.Ordinal);
        Assert.DoesNotContain("\"off\"", await http.GetStringAsync("/v1/models"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_ends_when_its_model_is_deleted_while_it_waits()
    {
        await using WebApplication gateway = await StartAsync();
        using HttpClient http = Client(gateway);
        await DeclareAsync(gateway, "doomed");
        Task<HttpResponseMessage> asked = http.AskAsync("doomed");
        await HeldAsync(gateway, "doomed", 1);

        await bench.Client.DeleteAsync<CoServedModel>("doomed", GatewayBench.Space);

        await Asking.RefusedAsync(await asked, HttpStatusCode.NotFound, "model_not_found");
    }

    [Fact]
    public async Task A_request_for_a_declared_adapter_waits_until_a_worker_has_loaded_it()
    {
        await using WebApplication gateway = await StartAsync();
        using HttpClient http = Client(gateway);
        await using FakeWorker worker = await FakeWorker.StartAsync("polyglot");
        await bench.ServeAsync("polyglot", worker);
        await Asking.RefusedAsync(await http.AskAsync("polyglot:fr"), HttpStatusCode.NotFound, "model_not_found");
        await bench.Client.CreateAsync(new Adapter
        {
            Metadata = new V1ObjectMeta { Name = "fr", NamespaceProperty = GatewayBench.Space },
            Spec = new AdapterSpec { ModelRef = new LocalReference { Name = "polyglot" }, Source = new AdapterSource { Uri = "file:///adapters/fr" } },
        });
        Task<HttpResponseMessage> asked = AskUntilHeldAsync();
        await HeldAsync(gateway, "polyglot", 1);

        worker.Adapters = ["fr"];

        Assert.Equal(HttpStatusCode.OK, (await asked).StatusCode);

        async Task<HttpResponseMessage> AskUntilHeldAsync()
        {
            HttpResponseMessage? last = null;
            await GatewayBench.WaitAsync(
                async () => (last = await http.AskAsync("polyglot:fr")).StatusCode != HttpStatusCode.NotFound, () => "the adapter to be known");
            return last!; // the loop ran
        }
    }

    [Fact]
    public async Task A_gateway_that_stops_lets_held_requests_go_elsewhere_at_once()
    {
        await using WebApplication gateway = await StartAsync();
        using HttpClient http = Client(gateway);
        await DeclareAsync(gateway, "orphan");
        Task<HttpResponseMessage> asked = http.AskAsync("orphan");
        await HeldAsync(gateway, "orphan", 1);

        await gateway.StopAsync();

        using HttpResponseMessage refused = await asked;
        await Asking.RefusedAsync(refused, HttpStatusCode.ServiceUnavailable, "shutting_down");
        Assert.NotNull(refused.Headers.RetryAfter?.Delta);
    }

    [Fact]
    public async Task A_gateway_that_stops_answers_a_pipeline_whose_stage_is_held_as_it_answers_a_request()
    {
        await bench.DeclareModelAsync("orphan-stage");
        await bench.DeclarePipelineAsync("orphan-pipe", new PipelineSpec
        {
            Stages = [new StageSpec { Name = "answer", ModelRef = new ModelStageSpec { Name = "orphan-stage" } }],
            Output = new PipelineOutput { From = "answer" },
        });
        await using WebApplication gateway = await StartAsync();
        using HttpClient http = Client(gateway);
        Task<HttpResponseMessage> asked = http.AskAsync("orphan-pipe");
        await HeldAsync(gateway, "orphan-stage", 1);

        await gateway.StopAsync();

        using HttpResponseMessage refused = await asked;
        await Asking.RefusedAsync(refused, HttpStatusCode.ServiceUnavailable, "shutting_down");
        Assert.NotNull(refused.Headers.RetryAfter?.Delta);
    }

    private Task<WebApplication> StartAsync(params string[] settings) => bench.StartGatewayAsync(["--Gateway:HoldSeconds", "60", .. settings]);

    private static HttpClient Client(WebApplication gateway) => new() { BaseAddress = new Uri(gateway.Urls.First()) };

    /// <summary>Declares a model and waits until this gateway knows it: a model that does not exist is refused at once.</summary>
    private async Task DeclareAsync(WebApplication gateway, string name, Action<CoServedModelSpec>? change = null)
    {
        var spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" } };
        change?.Invoke(spec);
        await bench.Client.CreateAsync(new CoServedModel { Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = GatewayBench.Space }, Spec = spec });
        using HttpClient http = Client(gateway);
        await GatewayBench.WaitAsync(
            async () =>
            {
                // An adapter that does not exist is 404 in any case; the message tells a model that is known from one that is not.
                using HttpResponseMessage answer = await http.AskAsync($"{name}:nobody");
                return (await answer.Content.ReadAsStringAsync()).Contains("has no adapter", StringComparison.Ordinal);
            },
            () => $"{name} to be known");
    }

    private async Task HeldAsync(WebApplication gateway, string model, int count)
    {
        int held = -1;
        await GatewayBench.WaitAsync(
            async () =>
            {
                DemandReport report = (await bench.Http.GetFromJsonAsync(
                    new Uri(GatewayBench.Internal(gateway), "/internal/demand"), ControlJson.Default.DemandReport))!; // never the JSON null
                ModelDemand? demand = report.Models.SingleOrDefault(m => m.Model == model);
                Assert.True((demand?.Requests ?? 0) >= (demand?.Held ?? 0), "held requests are unfinished too");
                held = demand?.Held ?? 0;
                return held == count;
            },
            () => $"{count} held requests for {model}; there are {held}");
    }
}
