using System.Net;
using System.Text.Json;
using k8s.Models;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Which worker gets a request.</summary>
[Collection(GatewayGroup.Name)]
public sealed class RoutingTests(GatewayBench bench)
{
    [Fact]
    public async Task Requests_go_to_the_workers_of_their_model()
    {
        await using FakeWorker red = await FakeWorker.StartAsync("red"), blue = await FakeWorker.StartAsync("blue");
        await bench.ServeAsync("red", red);
        await bench.ServeAsync("blue", blue);

        Assert.Equal(Scripts.Body, await (await bench.Http.AskAsync("red")).Content.ReadAsStringAsync());
        Assert.Equal(HttpStatusCode.OK, (await bench.Http.AskAsync("blue", "/v1/completions")).StatusCode);

        Assert.Equal("/v1/chat/completions", Assert.Single(red.Received).Path);
        Assert.Equal("/v1/completions", Assert.Single(blue.Received).Path);
    }

    [Fact]
    public async Task An_adapter_is_served_by_the_worker_that_lists_it()
    {
        await using FakeWorker plain = await FakeWorker.StartAsync("tongues"), french = await FakeWorker.StartAsync("tongues");
        await bench.ServeAsync("tongues", plain, french);
        await Asking.RefusedAsync(await bench.Http.AskAsync("tongues:french"), HttpStatusCode.NotFound, "model_not_found");

        french.Adapters = ["french"];
        await GatewayBench.WaitAsync(async () => (await ListedAsync()).Contains("tongues:french"), () => "the adapter to be listed");
        for (int i = 0; i < 3; i++)
            Assert.Equal(HttpStatusCode.OK, (await bench.Http.AskAsync("tongues:french")).StatusCode);

        Assert.Empty(plain.Received);
        Assert.All(french.Received, r => Assert.Equal("tongues:french", r.Model));
        Assert.Equal(3, french.Received.Count);
    }

    [Fact]
    public async Task A_pod_that_becomes_unready_leaves_the_routes_and_comes_back_when_ready()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("moody");
        await bench.ServeAsync("moody", worker);

        await bench.SetReadyAsync((await PodAsync("moody-0"))!, ready: false); // just declared
        await RoutesToAsync("moody", 0);
        await Asking.RefusedAsync(await bench.Http.AskAsync("moody"), HttpStatusCode.ServiceUnavailable, "model_not_ready");

        await bench.SetReadyAsync((await PodAsync("moody-0"))!, ready: true); // declared above
        await RoutesToAsync("moody", 1);
    }

    [Fact]
    public async Task A_deleted_pod_leaves_the_routes()
    {
        await using FakeWorker stays = await FakeWorker.StartAsync("pair"), goes = await FakeWorker.StartAsync("pair");
        await bench.ServeAsync("pair", stays, goes);

        await bench.Client.DeleteAsync<V1Pod>("pair-1", GatewayBench.Space);

        await RoutesToAsync("pair", 1);
        Assert.Equal("pair-0", Assert.Single(await bench.RoutesAsync(), r => r.Model == "pair").Pod);
        Assert.Equal(HttpStatusCode.OK, (await bench.Http.AskAsync("pair")).StatusCode);
        Assert.Empty(goes.Received);
    }

    [Fact]
    public async Task A_name_served_in_two_namespaces_must_be_qualified()
    {
        await bench.Client.CreateAsync(new V1Namespace { ApiVersion = "v1", Kind = "Namespace", Metadata = new V1ObjectMeta { Name = "other" } });
        await using FakeWorker here = await FakeWorker.StartAsync("twin"), there = await FakeWorker.StartAsync("twin");
        await bench.ServeAsync("twin", here);
        await bench.DeclareModelAsync("elsewhere", "other", servedName: "twin");
        await bench.DeclarePodAsync("elsewhere-0", "elsewhere", there.Port, "other", servedName: "twin");
        await RoutesToAsync("elsewhere", 1);

        string message = await Asking.RefusedAsync(await bench.Http.AskAsync("twin"), HttpStatusCode.BadRequest, "model_ambiguous");
        Assert.Contains("default/twin, other/twin", message, StringComparison.Ordinal);
        Assert.Superset(new HashSet<string> { "default/twin", "other/twin" }, await ListedAsync());
        Assert.Equal(HttpStatusCode.OK, (await bench.Http.AskAsync("other/twin")).StatusCode);
        foreach (string path in (string[])["/v1/models/other/twin", "/v1/models/other%2Ftwin"]) // Clients escape the slash.
            Assert.Contains("\"other/twin\"", await bench.Http.GetStringAsync(path), StringComparison.Ordinal);
        Assert.Equal("twin", Assert.Single(there.Received).Model);
        Assert.Empty(here.Received);
    }

    [Fact]
    public async Task A_worker_that_dies_while_it_lists_its_models_costs_its_own_route_only()
    {
        await using FakeWorker sound = await FakeWorker.StartAsync("broken"), broken = await FakeWorker.StartAsync("broken");
        await bench.ServeAsync("broken", sound, broken);

        broken.Listing = async context =>
        {
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync("{\"object\":");
            await context.Response.Body.FlushAsync();
            context.Abort();
        };

        await RoutesToAsync("broken", 1);
        Assert.Equal(HttpStatusCode.OK, (await bench.Http.AskAsync("broken")).StatusCode);
        Assert.Single(sound.Received);
    }

    [Fact]
    public async Task A_worker_of_another_model_gets_no_route()
    {
        await using FakeWorker stranger = await FakeWorker.StartAsync("stranger"), right = await FakeWorker.StartAsync("strict");
        await bench.DeclareModelAsync("strict");
        await bench.DeclarePodAsync("strict-a", "strict", stranger.Port);
        await bench.DeclarePodAsync("strict-b", "strict", right.Port);

        await RoutesToAsync("strict", 1);
        Assert.Equal("strict-b", Assert.Single(await bench.RoutesAsync(), r => r.Model == "strict").Pod);
    }

    private Task<V1Pod?> PodAsync(string name) => bench.Client.GetAsync<V1Pod>(name, GatewayBench.Space);

    private Task RoutesToAsync(string model, int count) => GatewayBench.WaitAsync(
        async () => (await bench.RoutesAsync()).Count(r => r.Model == model) == count, () => $"{count} routes to {model}");

    private async Task<HashSet<string>> ListedAsync()
    {
        using JsonDocument list = JsonDocument.Parse(await bench.Http.GetStringAsync("/v1/models"));
        return [.. list.RootElement.GetProperty("data").EnumerateArray().Select(m => m.GetProperty("id").GetString()!)]; // ids are strings
    }
}
