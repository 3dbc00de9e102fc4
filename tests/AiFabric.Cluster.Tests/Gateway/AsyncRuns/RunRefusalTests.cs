using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiFabric.Cluster.Tests.Gateway.Pipelines;
using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Limits;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway.AsyncRuns;

/// <summary>What a run may not be, and whose it is.</summary>
[Collection(GatewayGroup.Name)]
public sealed class RunRefusalTests(GatewayBench bench)
{
    [Fact]
    public async Task Wrong_requests_are_told_by_field()
    {
        await bench.DeclarePipelineAsync("async-refusing", RunBench.Check("nobody", "nobody"));
        await using RunBench runs = await RunBench.StartAsync(bench, "sqlite");
        foreach ((string body, string? field) in new (string, string?)[]
        {
            ("{}", "input"),
            ("""{"input": 7}""", "input"),
            ("""{"input": "a", "messages": [{"role": "user", "content": "b"}]}""", "input"),
            ("""{"input": {"file": "file-1"}}""", "input.file"),
            ("""{"input": {"file_id": "file-1"}}""", "input.file_id"),
            ("""{"input": "a", "inputs": "b"}""", "inputs"),
            ("""{"input": "a", "keep_seconds": 0}""", "keep_seconds"),
            ("""{"input": "a", "completion_window_seconds": 86401}""", "completion_window_seconds"),
            ("""{"input": "a", "metadata": {"a": 7}}""", "metadata.a"),
            ("""{"messages": []}""", "messages"),
            ("""{"input": "\ud800"}""", "input"),
            ($$"""{"input": "{{new string('a', (1 << 20) + 1)}}"}""", "input"),
            ("[]", null),
        })
        {
            using HttpResponseMessage answer = await runs.Http.PostAsync("/v1/pipelines/async-refusing/runs", Asking.Json(body));
            JsonElement error = (await RunBench.ReadAsync(answer)).GetProperty("error");
            Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, $"{body[..Math.Min(80, body.Length)]}: {error}");
            Assert.Equal(field, error.TryGetProperty("param", out JsonElement param) ? param.GetString() : null);
        }
        await Asking.RefusedAsync(
            await runs.Http.PostAsync("/v1/pipelines/no-such/runs", Asking.Json("""{"input": "a"}""")), HttpStatusCode.NotFound, "pipeline_not_found");
        await Asking.RefusedAsync(await runs.Http.GetAsync("/v1/pipelines/async-refusing/runs/run-1"), HttpStatusCode.NotFound, "run_not_found");
        await Asking.RefusedAsync(await runs.Http.GetAsync("/v1/pipelines/async-refusing/runs/..%2Fopen"), HttpStatusCode.NotFound, "run_not_found");
        await Asking.RefusedAsync(
            await bench.Http.PostAsync("/v1/pipelines/async-refusing/runs", Asking.Json("""{"input": "a"}""")), HttpStatusCode.NotImplemented, "runs_disabled");
        // The name may be qualified, with its slash escaped.
        string id = await RunBench.BeginAsync(runs.Http, "default%2Fasync-refusing");
        JsonElement failed = await RunBench.UntilAsync(runs.Http, "async-refusing", id, "failed");
        Assert.Contains("'nobody' does not exist", failed.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_of_one_tenant_does_not_exist_for_another_and_workers_learn_whose_it_is()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("async-secret-model", TalkingModel.Script(_ => "Done."));
        await bench.ServeAsync("async-secret-model", worker);
        await bench.DeclarePipelineAsync("async-secret", RunBench.Check("async-secret-model", "async-secret-model"));
        await bench.Client.CreateAsync(new V1Secret
        {
            ApiVersion = "v1",
            Kind = "Secret",
            Metadata = new V1ObjectMeta { Name = "async-keys", NamespaceProperty = GatewayBench.Space, Labels = new Dictionary<string, string> { ["aifabric.io/api-keys"] = "true" } },
            Data = new Dictionary<string, byte[]> { ["one"] = Encoding.UTF8.GetBytes("async-one"), ["two"] = Encoding.UTF8.GetBytes("async-two") },
        });
        await using RunBench runs = await RunBench.StartAsync(bench, "sqlite", "--Gateway:RequireApiKeys", "true", "--Gateway:RunsOpenPerTenant", "1");
        HttpClient one = runs.Http;
        one.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "async-one");
        using var two = new HttpClient { BaseAddress = one.BaseAddress };
        Assert.Equal(HttpStatusCode.Unauthorized, (await two.GetAsync("/v1/pipelines/async-secret/runs")).StatusCode);
        two.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "async-two");

        string id = await RunBench.BeginAsync(one, "async-secret");
        await RunBench.UntilAsync(one, "async-secret", id, "completed");
        string path = $"/v1/pipelines/async-secret/runs/{id}";
        foreach (string below in (string[])["", "/stages", "/events"])
            await Asking.RefusedAsync(await two.GetAsync(path + below), HttpStatusCode.NotFound, "run_not_found");
        await Asking.RefusedAsync(await two.PostAsync(path + "/cancel", null), HttpStatusCode.NotFound, "run_not_found");
        await Asking.RefusedAsync(await two.DeleteAsync(path), HttpStatusCode.NotFound, "run_not_found");
        Assert.Equal(0, JsonDocument.Parse(await two.GetStringAsync("/v1/pipelines/async-secret/runs")).RootElement.GetProperty("data").GetArrayLength());
        Assert.Equal(1, JsonDocument.Parse(await one.GetStringAsync("/v1/pipelines/async-secret/runs")).RootElement.GetProperty("data").GetArrayLength());
        Assert.All(worker.Received, request => Assert.Equal(Tenant.OfKey("async-one", TenantLimits.None).Id, request.Headers["aifabric-tenant"]));

        // One tenant's queue being full is nothing to the other.
        var never = new TaskCompletionSource();
        worker.Script = context => never.Task.WaitAsync(context.RequestAborted);
        await RunBench.BeginAsync(one, "async-secret");
        await Asking.RefusedAsync(await one.PostAsync("/v1/pipelines/async-secret/runs", Asking.Json("""{"input": "a"}""")), HttpStatusCode.TooManyRequests, "run_queue_full");
        await RunBench.BeginAsync(two, "async-secret");
    }
}
