using System.Net;
using System.Net.Http.Json;
using AiFabric.Protocol;
using Xunit;

namespace AiFabric.Engine.Tests.Worker;

public sealed class SenderTests
{
    [Theory]
    [InlineData("team-a_1.x", HttpStatusCode.OK)]
    [InlineData("two words", HttpStatusCode.BadRequest)]
    [InlineData("a/b", HttpStatusCode.BadRequest)]
    public async Task A_requests_tenant_is_what_the_gateway_says(string tenant, HttpStatusCode status)
    {
        (HttpStatusCode answered, var requests) = await AskAsync(WorkerHeaders.Tenant, tenant);

        Assert.Equal(status, answered);
        Assert.Equal(status == HttpStatusCode.OK ? [tenant, tenant] : [], requests.Select(r => r.Tenant));
    }

    [Theory]
    [InlineData("1500", HttpStatusCode.OK)]
    [InlineData("-1", HttpStatusCode.BadRequest)]
    [InlineData("1.5", HttpStatusCode.BadRequest)]
    [InlineData("86400001", HttpStatusCode.BadRequest)]
    public async Task A_requests_age_is_what_the_gateway_says(string milliseconds, HttpStatusCode status)
    {
        (HttpStatusCode answered, var requests) = await AskAsync(WorkerHeaders.Age, milliseconds);

        Assert.Equal(status, answered);
        Assert.Equal(status == HttpStatusCode.OK ? [1_500.0, 1_500.0] : [], requests.Select(r => r.Age.TotalMilliseconds));
    }

    [Theory]
    [InlineData("true", HttpStatusCode.OK)]
    [InlineData("false", HttpStatusCode.BadRequest)]
    [InlineData("1", HttpStatusCode.BadRequest)]
    public async Task A_request_is_a_copy_when_the_gateway_says_so(string mirrored, HttpStatusCode status)
    {
        (HttpStatusCode answered, var requests) = await AskAsync(WorkerHeaders.Mirrored, mirrored);

        Assert.Equal(status, answered);
        Assert.Equal(status == HttpStatusCode.OK ? [true, true] : [], requests.Select(r => r.IsCopy));
    }

    private static async Task<(HttpStatusCode Status, IReadOnlyList<AiFabric.Engine.Requests.GenerationRequest> Requests)> AskAsync(string header, string value)
    {
        var backend = new ScriptedBackend();
        await using var worker = await RunningWorker.StartAsync(backend);
        int before = backend.Requests.Count;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions") { Content = JsonContent.Create(new { model = "demo", prompt = "Hi", n = 2 }) };
        request.Headers.Add(header, value);
        using var response = await worker.Serving.SendAsync(request);
        return (response.StatusCode, [.. backend.Requests.Skip(before)]);
    }
}
