using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using AiFabric.Cluster.Tests.Gateway.Pipelines;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.Pipelines;
using AiFabric.Gateway.Limits;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Budgets of tenants, as their clients see them.</summary>
[Collection(GatewayGroup.Name)]
public sealed class LimitTests(GatewayBench bench) : IAsyncLifetime
{
    private WebApplication? gateway;
    private HttpClient? http;

    private HttpClient Http => http!; // Set on start.

    public async ValueTask InitializeAsync()
    {
        await SecretAsync("limited", "sk-limited", requests: "4", tokens: "1000");
        await SecretAsync("free", "sk-free");
        gateway = await bench.StartGatewayAsync("--Gateway:RequireApiKeys", "true", "--Gateway:LimitShares", "2");
        http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };
    }

    public async ValueTask DisposeAsync()
    {
        http?.Dispose();
        if (gateway is not null)
            await gateway.DisposeAsync();
        await bench.Client.DeleteAsync<V1Secret>("limited", GatewayBench.Space);
        await bench.Client.DeleteAsync<V1Secret>("free", GatewayBench.Space);
    }

    [Fact]
    public async Task Requests_beyond_a_tenants_budget_are_refused_with_429_and_nobody_elses_are()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("counted");
        await bench.ServeAsync("counted", worker);

        for (int left = 1; left >= 0; left--)
        {
            using HttpResponseMessage taken = await AskAsync("sk-limited", "counted");
            Assert.Equal(HttpStatusCode.OK, taken.StatusCode);
            Assert.Equal("2", Header(taken, "x-ratelimit-limit-requests")); // Half of four: there are two shares.
            Assert.Equal($"{left}", Header(taken, "x-ratelimit-remaining-requests"));
            Assert.Equal("500", Header(taken, "x-ratelimit-limit-tokens"));
            Assert.EndsWith("s", Header(taken, "x-ratelimit-reset-tokens"), StringComparison.Ordinal);
        }
        using HttpResponseMessage refused = await AskAsync("sk-limited", "counted");
        Assert.InRange(int.Parse(Header(refused, "retry-after"), System.Globalization.CultureInfo.InvariantCulture), 1, 30);
        Assert.Equal("0", Header(refused, "x-ratelimit-remaining-requests"));
        Assert.Contains("2 requests per minute", await Asking.RefusedAsync(refused, HttpStatusCode.TooManyRequests, "rate_limit_exceeded"), StringComparison.Ordinal);
        Assert.Equal(2, worker.Received.Count);

        using HttpResponseMessage other = await AskAsync("sk-free", "counted");
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        Assert.False(other.Headers.Contains("x-ratelimit-limit-requests"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Tokens_are_counted_as_the_answer_says_whole_or_streamed(bool stream)
    {
        const string Usage = "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":500,\"total_tokens\":600}";
        string model = stream ? "tokens-streamed" : "tokens-whole";
        await using FakeWorker worker = await FakeWorker.StartAsync(model, async context =>
        {
            context.Response.ContentType = stream ? "text/event-stream" : "application/json";
            await context.Response.WriteAsync(stream ? $"{Scripts.FirstEvent}data: {{{Usage}}}\n\n{Scripts.Done}" : $"{{\"id\":\"c-1\",{Usage}}}");
        });
        await bench.ServeAsync(model, worker);
        await SecretAsync(model, $"sk-{model}", tokens: "1000");
        await GatewayBench.WaitAsync(async () => (await Http.SendAsync(Request(HttpMethod.Get, "/v1/models", $"sk-{model}"))).IsSuccessStatusCode, () => "the key to be known");

        using HttpResponseMessage first = await AskAsync($"sk-{model}", model, stream);
        Assert.Contains("total_tokens", await first.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        // 600 of 500 are spent, and the answer's end may be here before they are counted.
        HttpResponseMessage? refused = null;
        await GatewayBench.WaitAsync(
            async () => (refused = await AskAsync($"sk-{model}", model, stream)).StatusCode == HttpStatusCode.TooManyRequests, () => "the budget to be spent");
        Assert.Contains("500 tokens per minute", await Asking.RefusedAsync(refused!, HttpStatusCode.TooManyRequests, "rate_limit_exceeded"), StringComparison.Ordinal); // Set above.
    }

    [Fact]
    public async Task A_request_counts_once_whoever_answers_it_and_its_copy_costs_nothing()
    {
        const string Answer = "{\"id\":\"c-1\",\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":80,\"total_tokens\":100}}";
        RequestDelegate script = context => context.Response.WriteAsync(Answer);
        await using FakeWorker stable = await FakeWorker.StartAsync("once", script), next = await FakeWorker.StartAsync("once-next", script), mirror = await FakeWorker.StartAsync("once-mirror", script);
        await bench.ServeAsync("once-next", next);
        await bench.ServeAsync("once-mirror", mirror);
        await bench.ServeAsync("once", new RoutingSpec { Canary = TrafficBench.To("once-next", 100), Mirror = TrafficBench.To("once-mirror", 100) }, stable);
        await gateway!.AppliesAsync("once", isReady: true, count: 2); // Set on start.
        await SecretAsync("once", "sk-once", requests: "4", tokens: "1000");
        await GatewayBench.WaitAsync(async () => (await Http.SendAsync(Request(HttpMethod.Get, "/v1/models", "sk-once"))).IsSuccessStatusCode, () => "the key to be known");

        using HttpResponseMessage first = await AskAsync("sk-once", "once");
        await bench.EndedAsync("once", "Answered", 1);
        using HttpResponseMessage second = await AskAsync("sk-once", "once");

        Assert.Equal(("1", "0"), (Header(first, "x-ratelimit-remaining-requests"), Header(second, "x-ratelimit-remaining-requests")));
        // 500 less 100 and the second prompt's estimate, and what has refilled.
        Assert.InRange(int.Parse(Header(second, "x-ratelimit-remaining-tokens"), System.Globalization.CultureInfo.InvariantCulture), 350, 500);
        Assert.Empty(stable.Received);
        Assert.Equal(next.Received[0].Headers["aifabric-tenant"], mirror.Received[0].Headers["aifabric-tenant"]);
        await bench.Client.DeleteAsync<V1Secret>("once", GatewayBench.Space);
    }

    [Fact]
    public async Task A_pipeline_spends_what_all_its_models_used()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("spending-model", TalkingModel.Script(_ => "Yes.", completionTokens: 298));
        await bench.ServeAsync("spending-model", worker);
        StageSpec Stage(string name, string from) => new() { Name = name, ModelRef = new ModelStageSpec { Name = "spending-model" }, Inputs = [new InputSpec { From = from }] };
        await bench.DeclarePipelineAsync("spending", new PipelineSpec
        {
            Stages = [Stage("first", "request"), Stage("second", "first")],
            Output = new PipelineOutput { From = "second" },
        });
        await SecretAsync("spending", "sk-spending", tokens: "1000");
        await GatewayBench.WaitAsync(
            async () => (await (await Http.SendAsync(Request(HttpMethod.Get, "/v1/models", "sk-spending"))).Content.ReadAsStringAsync()).Contains("\"spending\"", StringComparison.Ordinal),
            () => "key and pipeline to be known");

        using HttpResponseMessage first = await AskAsync("sk-spending", "spending");
        Assert.Contains("\"total_tokens\":600", await first.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        HttpResponseMessage? refused = null;
        await GatewayBench.WaitAsync(
            async () => (refused = await AskAsync("sk-spending", "spending")).StatusCode == HttpStatusCode.TooManyRequests, () => "the budget to be spent");
        await Asking.RefusedAsync(refused!, HttpStatusCode.TooManyRequests, "rate_limit_exceeded"); // Set above.
        await bench.Client.DeleteAsync<V1Secret>("spending", GatewayBench.Space);
    }

    [Fact]
    public async Task A_client_that_leaves_a_pipeline_has_spent_what_its_model_said_until_then()
    {
        const int Words = 600;
        static async IAsyncEnumerable<string> SayAsync([EnumeratorCancellation] CancellationToken token)
        {
            for (int i = 0; i < Words; i++)
                yield return "word ";
            await new TaskCompletionSource().Task.WaitAsync(token);
        }
        await using FakeWorker worker = await FakeWorker.StartAsync("leaving-model", TalkingModel.Script((_, token) => SayAsync(token)));
        await bench.ServeAsync("leaving-model", worker);
        await bench.DeclarePipelineAsync("leaving-pipeline", new PipelineSpec
        {
            Stages = [new StageSpec { Name = "only", ModelRef = new ModelStageSpec { Name = "leaving-model" }, Inputs = [new InputSpec { From = "request" }] }],
            Output = new PipelineOutput { From = "only" },
        });
        await SecretAsync("leaving", "sk-leaving", tokens: "1000");
        await GatewayBench.WaitAsync(
            async () => (await (await Http.SendAsync(Request(HttpMethod.Get, "/v1/models", "sk-leaving"))).Content.ReadAsStringAsync()).Contains("\"leaving-pipeline\"", StringComparison.Ordinal),
            () => "key and pipeline to be known");

        HttpRequestMessage request = Request(HttpMethod.Post, "/v1/chat/completions", "sk-leaving");
        request.Content = Asking.Chat("leaving-pipeline", stream: true);
        using (HttpResponseMessage answer = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead))
        {
            await using Stream stream = await answer.Content.ReadAsStreamAsync();
            for (int seen = 0; seen < Words; seen += (await Asking.ReadEventAsync(stream)).Split("word ").Length - 1)
            {
                // The answer is read as far as it goes.
            }
        }

        // 600 of 500 are spent. A request without messages is refused, costs a token, and tells what is left.
        string left = "";
        await GatewayBench.WaitAsync(async () => (left = await LeftAsync()) == "0", () => $"the budget to be spent ({left} are left)");
        await bench.Client.DeleteAsync<V1Secret>("leaving", GatewayBench.Space);

        async Task<string> LeftAsync()
        {
            HttpRequestMessage refused = Request(HttpMethod.Post, "/v1/chat/completions", "sk-leaving");
            refused.Content = Asking.Json("""{"model":"leaving-pipeline","messages":[]}""");
            using HttpResponseMessage answer = await Http.SendAsync(refused);
            return Header(answer, "x-ratelimit-remaining-tokens");
        }
    }

    private Task<HttpResponseMessage> AskAsync(string key, string model, bool stream = false)
    {
        HttpRequestMessage request = Request(HttpMethod.Post, "/v1/chat/completions", key);
        request.Content = Asking.Chat(model, stream);
        return Http.SendAsync(request);
    }

    private static HttpRequestMessage Request(HttpMethod method, string path, string key) =>
        new(method, path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", key) } };

    private static string Header(HttpResponseMessage answer, string name) => Assert.Single(answer.Headers.GetValues(name));

    private Task<V1Secret> SecretAsync(string name, string key, string? requests = null, string? tokens = null)
    {
        var annotations = new Dictionary<string, string>();
        if (requests is not null)
            annotations[TenantLimits.RequestsAnnotation] = requests;
        if (tokens is not null)
            annotations[TenantLimits.TokensAnnotation] = tokens;
        return bench.Client.CreateAsync(new V1Secret
        {
            ApiVersion = "v1",
            Kind = "Secret",
            Metadata = new V1ObjectMeta
            {
                Name = name,
                NamespaceProperty = GatewayBench.Space,
                Labels = new Dictionary<string, string> { ["aifabric.io/api-keys"] = "true" },
                Annotations = annotations,
            },
            Data = new Dictionary<string, byte[]> { ["key"] = Encoding.UTF8.GetBytes(key) },
        });
    }
}
