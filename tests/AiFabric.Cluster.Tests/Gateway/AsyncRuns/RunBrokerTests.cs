using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Cluster.Tests.Gateway.Pipelines;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway.AsyncRuns;

/// <summary>Runs whose broker is away or slow.</summary>
[Collection(GatewayGroup.Name)]
public sealed class RunBrokerTests(GatewayBench bench)
{
    private static int _names;

    [Fact]
    public async Task Events_that_a_broker_does_not_take_are_published_when_it_does_again()
    {
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script(_ => "Whole."));
        await using FakeWorker stopped = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, "dapr");
        FakeDaprSidecar sidecar = runs.Sidecar!;
        sidecar.Before = (call, _) => call == "publish" ? throw new RpcException(new Status(StatusCode.Internal, "no broker")) : Task.CompletedTask;
        string id = await RunBench.BeginAsync(runs.Http, pipeline);
        await RunBench.UntilAsync(runs.Http, pipeline, id, "completed");
        Assert.Empty(sidecar.State.Published);
        sidecar.Before = (_, _) => Task.CompletedTask;
        await GatewayBench.WaitAsync(() => Task.FromResult(runs.Published(id) is [.., "completed"]), () => "the end to be published");
        Assert.Equal(["started", "stage_finished", "stage_finished", "stage_finished", "completed"], runs.Published(id));
        JsonElement last = sidecar.State.Published.Last();
        Assert.Equal(
            ("1.0", $"{id}/4", $"/aifabric/pipelines/default/{pipeline}", id),
            (last.GetProperty("specversion").GetString(), last.GetProperty("id").GetString(), last.GetProperty("source").GetString(), last.GetProperty("subject").GetString()));
        Assert.DoesNotContain(sidecar.State.Published, happened => happened.ToString().Contains("Whole.", StringComparison.Ordinal)); // No text leaves this way.
    }

    [Fact]
    public async Task A_slow_broker_costs_no_run_its_lease_when_it_ends()
    {
        string[] claims = [.. "abcdefghijklmnopqrst".Select(letter => $"Claim {letter}.")];
        var last = new TaskCompletionSource();
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script((prompt, token) => SayAsync(prompt, token)));
        await using FakeWorker stopped = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, "dapr", "--Gateway:RunLeaseSeconds", "4");
        await runs.StartGatewayAsync(bench, "--Gateway:RunLeaseSeconds", "4");
        FakeDaprSidecar sidecar = runs.Sidecar!;
        int published = 0;
        // The last claim is checked once the events of the others are on their way, which takes twice the lease.
        sidecar.Before = async (call, _) =>
        {
            if (call != "publish")
                return;
            if (Interlocked.Increment(ref published) == 3)
                last.SetResult();
            await Task.Delay(400);
        };
        string id = await RunBench.BeginAsync(runs.Http, pipeline);
        JsonElement run = await RunBench.UntilAsync(runs.Http, pipeline, id, "completed");
        Assert.Equal(1, run.GetProperty("attempts").GetInt32());
        sidecar.Before = (_, _) => Task.CompletedTask;
        await GatewayBench.WaitAsync(() => Task.FromResult(runs.Published(id) is [.., "completed"]), () => "the end to be published");
        Assert.Equal(["started", .. Enumerable.Repeat("stage_finished", 22), "completed"], runs.Published(id)); // An answer, 20 checks, a report.

        async IAsyncEnumerable<string> SayAsync(string prompt, [EnumeratorCancellation] CancellationToken token)
        {
            if (prompt == claims[^1])
                await last.Task.WaitAsync(token);
            yield return prompt == "Hello" ? string.Join(' ', claims) : "Right.";
        }
    }

    [Fact]
    public async Task A_broker_that_does_not_answer_holds_up_no_run_in_the_queue()
    {
        const int Untold = 12;
        (FakeWorker worker, string pipeline) = await ServeAsync(TalkingModel.Script(_ => "Whole."));
        await using FakeWorker stopped = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, "dapr", "--Gateway:RunsConcurrent", "16");
        FakeDaprSidecar sidecar = runs.Sidecar!;
        var never = new TaskCompletionSource();
        int published = 0;
        sidecar.Before = (call, _) =>
        {
            if (call != "publish")
                return Task.CompletedTask;
            Interlocked.Increment(ref published);
            return never.Task; // Until half a second has passed.
        };
        string[] ids = await Task.WhenAll(Enumerable.Range(0, Untold).Select(_ => RunBench.BeginAsync(runs.Http, pipeline)));
        long ended = 0;
        foreach (string id in ids)
            ended = Math.Max(ended, (await RunBench.UntilAsync(runs.Http, pipeline, id, "completed")).GetProperty("ended_at").GetInt64());
        await GatewayBench.WaitAsync(() => Task.FromResult(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() > ended + 2), () => "the ends to be anybody's to tell");

        int before = Volatile.Read(ref published);
        string next = await RunBench.BeginAsync(runs.Http, pipeline);
        await RunBench.UntilAsync(runs.Http, pipeline, next, "completed");

        Assert.InRange(Volatile.Read(ref published) - before, 0, Untold - 1); // It did not wait for each of the others.
        sidecar.Before = (_, _) => Task.CompletedTask;
        await GatewayBench.WaitAsync(() => Task.FromResult(ids.Append(next).All(id => runs.Published(id) is [.., "completed"])), () => "all ends to be published");
    }

    private async Task<(FakeWorker Worker, string Pipeline)> ServeAsync(RequestDelegate script)
    {
        string name = $"broker-{Interlocked.Increment(ref _names)}";
        FakeWorker worker = await FakeWorker.StartAsync(name + "-model", script);
        await bench.ServeAsync(name + "-model", worker);
        await bench.DeclarePipelineAsync(name, RunBench.Check(name + "-model", name + "-model"));
        return (worker, name);
    }
}
