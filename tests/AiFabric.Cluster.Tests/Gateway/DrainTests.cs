using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>A gateway replica that stops: first it is not ready, then it takes no more, and no stream ends without a word.</summary>
[Collection(GatewayGroup.Name)]
public sealed class DrainTests(GatewayBench bench)
{
    [Fact]
    public async Task A_draining_gateway_is_not_ready_and_still_answers()
    {
        await using FakeWorker worker = await FakeWorker.StartAsync("drained");
        await bench.ServeAsync("drained", worker);
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:DrainSeconds", "2");
        using var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };
        using var inside = new HttpClient { BaseAddress = GatewayBench.Internal(gateway) };

        Task<string> drained = inside.GetStringAsync("/internal/drain");

        await GatewayBench.WaitAsync(
            async () => (await http.GetAsync("/readyz")).StatusCode == HttpStatusCode.ServiceUnavailable, () => "the gateway to be not ready");
        Assert.False(drained.IsCompleted);
        Assert.Equal(HttpStatusCode.OK, (await http.AskAsync("drained")).StatusCode);
        Assert.Equal("drained", await drained);
        Assert.Equal(HttpStatusCode.OK, (await http.AskAsync("drained")).StatusCode); // until SIGTERM
    }

    [Fact]
    public async Task Running_streams_finish_while_the_gateway_stops()
    {
        var last = new TaskCompletionSource();
        await using FakeWorker worker = await FakeWorker.StartAsync(
            "finishing", Scripts.Stream((Task.CompletedTask, Scripts.FirstEvent), (last.Task, Scripts.Done)));
        await bench.ServeAsync("finishing", worker);
        await using WebApplication gateway = await bench.StartGatewayAsync();
        using var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };
        using HttpResponseMessage answer = await http.AskForStreamAsync("finishing");
        await using Stream stream = await answer.Content.ReadAsStreamAsync();
        Assert.Equal(Scripts.FirstEvent, await Asking.ReadEventAsync(stream));

        var address = new Uri(gateway.Urls.First());
        Task stopping = gateway.StopAsync();
        await GatewayBench.WaitAsync(() => RefusesAsync(address), () => "the gateway to take no more connections");
        last.SetResult();

        using var rest = new StreamReader(stream, Encoding.UTF8);
        Assert.Equal(Scripts.Done, await rest.ReadToEndAsync());
        await stopping;
    }

    [Fact]
    public async Task A_stream_that_outlasts_the_shutdown_ends_with_an_error_event()
    {
        var left = new TaskCompletionSource();
        await using FakeWorker worker = await FakeWorker.StartAsync("endless", Scripts.Stall(left));
        await bench.ServeAsync("endless", worker);
        await using WebApplication gateway = await bench.StartGatewayAsync("--Gateway:ShutdownSeconds", "1");
        using var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };
        using HttpResponseMessage answer = await http.AskForStreamAsync("endless");
        await using Stream stream = await answer.Content.ReadAsStreamAsync();
        Assert.Equal(Scripts.FirstEvent, await Asking.ReadEventAsync(stream));

        await gateway.StopAsync();

        Assert.Contains("\"code\":\"shutting_down\"", await Asking.ReadEventAsync(stream), StringComparison.Ordinal);
        await left.Task; // the worker was told, too
    }

    private static async Task<bool> RefusesAsync(Uri gateway)
    {
        using var http = new HttpClient { BaseAddress = gateway };
        try
        {
            using HttpResponseMessage answer = await http.GetAsync("/readyz");
            return false;
        }
        catch (HttpRequestException)
        {
            return true;
        }
    }
}
