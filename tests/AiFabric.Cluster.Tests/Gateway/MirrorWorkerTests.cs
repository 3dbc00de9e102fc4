using AiFabric.Crds.CoServedModels;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>The real worker as a mirror.</summary>
public sealed class MirrorWorker(GatewayBench bench) : RealWorker(bench, "real-mirror");

/// <summary>What a real worker makes of copies.</summary>
[Collection(GatewayGroup.Name)]
public sealed class MirrorWorkerTests(GatewayBench bench, MirrorWorker worker) : IClassFixture<MirrorWorker>
{
    [Fact]
    public async Task A_worker_answers_copies_and_counts_them_as_no_clients_request()
    {
        await using FakeWorker stable = await FakeWorker.StartAsync("real-stable", TrafficBench.Echo);
        await bench.ServeAsync("real-stable", new RoutingSpec { Mirror = TrafficBench.To("real-mirror", 100) }, stable);
        await GatewayBench.WaitAsync(async () => (await bench.ReportAsync()).Traffic?.Any(entry => entry is { Model: "real-stable", IsReady: true }) == true, () => "the mirror to be routed to");
        double[] before = await CountsAsync();

        foreach (string stream in (string[])["true", "false"])
        {
            string body = $$"""{"model":"real-stable","prompt":"Once upon a time","max_tokens":8,"ignore_eos":true,"stream":{{stream}}}""";
            Assert.True((await bench.Http.PostAsync("/v1/completions", Asking.Json(body))).IsSuccessStatusCode);
        }

        await bench.EndedAsync("real-stable", "Answered", 2);
        double[] after = await CountsAsync();
        Assert.Equal([2, 16, 0, 0, 0], after.Zip(before, (now, then) => now - then));
    }

    /// <summary>Copies, their tokens; requests' ends, tokens, first tokens.</summary>
    private async Task<double[]> CountsAsync()
    {
        string text = await bench.Http.GetStringAsync(new Uri(worker.Url, "/metrics"));
        string[] names = ["aifabric_engine_mirrored_requests_total", "aifabric_engine_mirrored_tokens_total", "vllm:request_success_total", "vllm:generation_tokens_total", "vllm:time_to_first_token_seconds_count"];
        return [.. names.Select(name => text.Split('\n').Where(line => line.StartsWith(name + "{", StringComparison.Ordinal))
            .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], System.Globalization.CultureInfo.InvariantCulture)))];
    }
}
