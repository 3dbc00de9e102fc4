using System.Net;
using System.Net.Http.Json;
using AiFabric.Protocol;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class TenantTests
{
    [Theory]
    [InlineData("team-a_1.x", HttpStatusCode.OK)]
    [InlineData("two words", HttpStatusCode.BadRequest)]
    [InlineData("a/b", HttpStatusCode.BadRequest)]
    public async Task A_requests_tenant_is_what_the_gateway_says(string tenant, HttpStatusCode status)
    {
        var backend = new ScriptedBackend();
        await using var worker = await RunningWorker.StartAsync(backend);
        int before = backend.Requests.Count;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = JsonContent.Create(new { model = "demo", prompt = "Hi", n = 2 }) };
        request.Headers.Add(WorkerHeaders.Tenant, tenant);

        using var response = await worker.Serving.SendAsync(request);

        Assert.Equal(status, response.StatusCode);
        Assert.Equal(status == HttpStatusCode.OK ? [tenant, tenant] : [], backend.Requests.Skip(before).Select(r => r.Tenant));
    }
}
