using System.Net;
using System.Net.Http.Json;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>What is answered on which port.</summary>
[Collection(GatewayGroup.Name)]
public sealed class PortTests(GatewayBench bench)
{
    [Theory]
    [InlineData("/internal/routes")]
    [InlineData("/internal/demand")]
    [InlineData("/metrics")]
    [InlineData("/healthz")]
    public async Task What_is_internal_is_not_on_the_public_port(string path)
    {
        using HttpResponseMessage inside = await bench.Http.GetAsync(new Uri(bench.InternalUrl, path));
        Assert.Equal(HttpStatusCode.OK, inside.StatusCode);

        // A client that names the internal port in its Host header gets no further.
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { Host = bench.InternalUrl.Authority } };
        using HttpResponseMessage outside = await bench.Http.SendAsync(request);
        Assert.Equal(HttpStatusCode.NotFound, outside.StatusCode);
    }

    [Fact]
    public async Task Both_ports_say_whether_the_gateway_is_ready()
    {
        Assert.Equal("ok", await bench.Http.GetStringAsync("/readyz"));
        Assert.Equal("ok", await bench.Http.GetStringAsync(new Uri(bench.InternalUrl, "/readyz")));
    }

    [Fact]
    public async Task Clients_have_no_business_on_the_internal_port()
    {
        using HttpResponseMessage answer = await bench.Http.GetAsync(new Uri(bench.InternalUrl, "/v1/models"));
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task Unfinished_requests_are_reported_as_demand()
    {
        var gate = new TaskCompletionSource();
        await using FakeWorker worker = await FakeWorker.StartAsync("wanted", Scripts.Stream((Task.CompletedTask, Scripts.FirstEvent), (gate.Task, Scripts.Done)));
        await bench.ServeAsync("wanted", worker);
        Assert.DoesNotContain(await DemandAsync(), demand => demand.Model == "wanted");

        using HttpResponseMessage first = await bench.Http.AskForStreamAsync("wanted"), second = await bench.Http.AskForStreamAsync("wanted");
        ModelDemand busy = Assert.Single(await DemandAsync(), demand => demand.Model == "wanted");
        Assert.Equal((2, 0, 0d), (busy.Requests, busy.Held, busy.IdleSeconds));
        await GatewayBench.WaitAsync(
            async () => (await DemandAsync()).Single(demand => demand.Model == "wanted").Average > 0.1, () => "the average to rise");

        gate.SetResult();
        await first.Content.ReadAsStringAsync();
        await second.Content.ReadAsStringAsync();
        await GatewayBench.WaitAsync(
            async () => (await DemandAsync()).Single(demand => demand.Model == "wanted") is { Requests: 0, IdleSeconds: > 0 }, () => "the requests to end");
    }

    private async Task<IReadOnlyList<ModelDemand>> DemandAsync() => (await bench.Http.GetFromJsonAsync(
        new Uri(bench.InternalUrl, "/internal/demand"), ControlJson.Default.DemandReport))!.Models; // never the JSON null
}
