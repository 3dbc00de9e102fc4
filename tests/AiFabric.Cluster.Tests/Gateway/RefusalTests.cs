using System.Net;
using System.Net.Http.Headers;
using System.Text;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Limits;
using AiFabric.Protocol;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Requests that the gateway itself refuses.</summary>
[Collection(GatewayGroup.Name)]
public sealed class RefusalTests(GatewayBench bench)
{
    [Fact]
    public async Task An_unknown_model_is_404() =>
        Assert.Contains("'nobody'", await Asking.RefusedAsync(
            await bench.Http.AskAsync("nobody"), HttpStatusCode.NotFound, "model_not_found"), StringComparison.Ordinal);

    [Fact]
    public async Task A_declared_model_without_a_ready_worker_is_503_with_a_time_to_try_again()
    {
        await bench.DeclareModelAsync("waking");
        await GatewayBench.WaitAsync(
            async () => (await bench.Http.AskAsync("waking")).StatusCode != HttpStatusCode.NotFound, () => "the model to be known");

        using HttpResponseMessage answer = await bench.Http.AskAsync("waking");

        await Asking.RefusedAsync(answer, HttpStatusCode.ServiceUnavailable, "model_not_ready");
        Assert.NotNull(answer.Headers.RetryAfter?.Delta);
    }

    [Theory]
    [InlineData("{\"model\":\"red\",", "line 1")]
    [InlineData("{\"model\":\"red\"} trailing", "line 1")]
    [InlineData("not json", "line 1")]
    public async Task Malformed_JSON_is_400_with_its_place(string body, string place)
    {
        using HttpResponseMessage answer = await bench.Http.PostAsync("/v1/chat/completions", Asking.Json(body));

        Assert.Contains(place, await Asking.RefusedAsync(answer, HttpStatusCode.BadRequest, "invalid_json"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_of_10_MB_is_413_whether_its_length_is_announced_or_not(bool announced)
    {
        byte[] json = Encoding.UTF8.GetBytes($$"""{"model":"red","prompt":"{{new string('x', 10 * 1024 * 1024)}}"}""");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = new ByteArrayContent(json) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.TransferEncodingChunked = announced ? null : true;

        using HttpResponseMessage answer = await bench.Http.SendAsync(request);

        await Asking.RefusedAsync(answer, HttpStatusCode.RequestEntityTooLarge, "request_too_large");
    }

    [Fact]
    public async Task A_key_from_a_labelled_Secret_is_asked_for_and_kept_from_the_worker()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("guarded");
        await bench.ServeAsync("guarded", worker);
        await bench.Client.CreateAsync(new V1Secret
        {
            ApiVersion = "v1",
            Kind = "Secret",
            Metadata = new V1ObjectMeta
            {
                Name = "keys",
                NamespaceProperty = GatewayBench.Space,
                Labels = new Dictionary<string, string> { ["aifabric.io/api-keys"] = "true" },
            },
            Data = new Dictionary<string, byte[]> { ["team-a"] = "sk-team-a\n"u8.ToArray() },
        });
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:RequireApiKeys", "true");
        using var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };

        await Asking.RefusedAsync(await http.AskAsync("guarded"), HttpStatusCode.Unauthorized, "invalid_api_key");
        await Asking.RefusedAsync(await http.GetAsync("/v1/models"), HttpStatusCode.Unauthorized, "invalid_api_key");
        // Routes match whatever the case of their letters.
        foreach (string path in (string[])["/V1/chat/completions", "/v1/embeddings", "/tokenize", "/Tokenize", "/detokenize"])
            await Asking.RefusedAsync(await http.AskAsync("guarded", path), HttpStatusCode.Unauthorized, "invalid_api_key");
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "sk-wrong");
        await Asking.RefusedAsync(await http.AskAsync("guarded"), HttpStatusCode.Unauthorized, "invalid_api_key");
        Assert.Empty(worker.Received);

        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "sk-team-a");
        Assert.Equal(HttpStatusCode.OK, (await http.AskAsync("guarded")).StatusCode); // a ready gateway knows all keys
        http.DefaultRequestHeaders.Add(WorkerHeaders.Tenant, "forged");
        http.DefaultRequestHeaders.Add(WorkerHeaders.Age, "86400000");
        Assert.Equal(HttpStatusCode.OK, (await http.AskAsync("guarded")).StatusCode);
        Assert.Equal(2, worker.Received.Count);
        Assert.All(worker.Received, request =>
        {
            Assert.DoesNotContain("authorization", request.Headers.Keys);
            Assert.DoesNotContain("aifabric-age", request.Headers.Keys);
            Assert.Equal(Tenant.OfKey("sk-team-a", TenantLimits.None).Id, request.Headers["aifabric-tenant"]);
        });

        await bench.Client.DeleteAsync<V1Secret>("keys", GatewayBench.Space);
        await GatewayBench.WaitAsync(
            async () => (await http.AskAsync("guarded")).StatusCode == HttpStatusCode.Unauthorized, () => "the deleted key to be refused");
    }
}
