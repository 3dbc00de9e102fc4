using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text.Json;
using AiFabric.Cluster.Tests.Gateway.Pipelines;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway.AsyncRuns;

/// <summary>Runs whose gateway or sidecar is lost.</summary>
[Collection(GatewayGroup.Name)]
public sealed class RunLossTests(GatewayBench bench)
{
    private static int _names;

    [Fact]
    public async Task A_run_whose_gateway_is_killed_is_begun_again_after_its_restart()
    {
        (FakeWorker worker, string pipeline, TaskCompletionSource held) = await ServeAsync();
        await using FakeWorker _ = worker;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("aifabric-killed-");
        string[] settings = ["--Gateway:RunsFolder", folder.FullName, "--Gateway:RunLeaseSeconds", "2"];
        string id;
        using (GatewayProcess first = await GatewayProcess.StartAsync(bench, settings))
        {
            id = await RunBench.BeginAsync(first.Http, pipeline);
            await held.Task; // The first stage's answer is half told.
            Assert.Equal("in_progress", (await RunBench.GetAsync(first.Http, pipeline, id)).GetProperty("status").GetString());
            await first.KillAsync();
        }
        using (GatewayProcess second = await GatewayProcess.StartAsync(bench, settings))
        {
            JsonElement run = await RunBench.UntilAsync(second.Http, pipeline, id, "completed");
            Assert.Equal((2, "Whole."), (run.GetProperty("attempts").GetInt32(), run.GetProperty("output").GetString()));
            Assert.Equal(["started", "started", "stage_finished", "stage_finished", "stage_finished", "completed"], await RunBench.EventsAsync(second.Http, pipeline, id));
            JsonElement stages = JsonDocument.Parse(await second.Http.GetStringAsync($"/v1/pipelines/{pipeline}/runs/{id}/stages")).RootElement;
            Assert.Equal(3, stages.GetProperty("data").GetArrayLength()); // Of the second attempt alone.
            await second.KillAsync();
        }
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_run_of_a_killed_gateway_goes_to_another_replica()
    {
        (FakeWorker worker, string pipeline, TaskCompletionSource held) = await ServeAsync();
        await using FakeWorker _ = worker;
        await using FakeDaprSidecar sidecar = await FakeDaprSidecar.StartAsync();
        string[] settings = [.. RunBench.StoreOf(sidecar), "--Gateway:RunLeaseSeconds", "2"];
        using GatewayProcess first = await GatewayProcess.StartAsync(bench, settings);
        string id = await RunBench.BeginAsync(first.Http, pipeline);
        await held.Task;
        using GatewayProcess second = await GatewayProcess.StartAsync(bench, settings);
        // While the first renews its lease the second leaves the run alone, for several leases.
        string etag = ETagOf(sidecar, id);
        for (int renewal = 0; renewal < 3; renewal++)
        {
            await GatewayBench.WaitAsync(() => Task.FromResult(ETagOf(sidecar, id) != etag), () => "the lease to be renewed");
            etag = ETagOf(sidecar, id);
        }
        Assert.Equal(1, (await RunBench.GetAsync(second.Http, pipeline, id)).GetProperty("attempts").GetInt32());
        await first.KillAsync();
        JsonElement run = await RunBench.UntilAsync(second.Http, pipeline, id, "completed");
        Assert.Equal((2, "Whole."), (run.GetProperty("attempts").GetInt32(), run.GetProperty("output").GetString()));
    }

    [Fact]
    public async Task Two_replicas_share_a_queue_and_each_run_is_begun_once()
    {
        (FakeWorker worker, string pipeline, TaskCompletionSource _) = await ServeAsync(TalkingModel.Script(_ => "Whole."));
        await using FakeWorker stopped = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, "dapr", "--Gateway:RunsConcurrent", "2");
        HttpClient second = await runs.StartGatewayAsync(bench, "--Gateway:RunsConcurrent", "2");
        string[] ids = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => RunBench.BeginAsync(i % 2 == 0 ? runs.Http : second, pipeline)));
        foreach (string id in ids)
            Assert.Equal(1, (await RunBench.UntilAsync(second, pipeline, id, "completed")).GetProperty("attempts").GetInt32());
        Assert.Equal(48, worker.Received.Count); // Two calls for each.
        // Every event of every run was published, in order; those of one run by one replica.
        await GatewayBench.WaitAsync(() => Task.FromResult(ids.All(id => runs.Published(id) is [.., "completed"])), () => "all ends to be published");
        Assert.All(ids, id => Assert.Equal(["started", "stage_finished", "stage_finished", "stage_finished", "completed"], runs.Published(id)));
    }

    [Fact]
    public async Task A_gateway_that_stops_gives_its_runs_back()
    {
        (FakeWorker worker, string pipeline, TaskCompletionSource held) = await ServeAsync();
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, "dapr", "--Gateway:RunLeaseSeconds", "3600");
        string id = await RunBench.BeginAsync(runs.Http, pipeline);
        await held.Task;
        await runs.StopFirstAsync();
        HttpClient second = await runs.StartGatewayAsync(bench);
        JsonElement run = await RunBench.UntilAsync(second, pipeline, id, "completed"); // Long before the lease would have ended.
        Assert.Equal("Whole.", run.GetProperty("output").GetString());
    }

    [Fact]
    public async Task A_run_that_waits_for_a_worker_is_given_back_by_a_gateway_that_stops()
    {
        string name = $"lost-{Interlocked.Increment(ref _names)}", model = name + "-model";
        await bench.DeclareModelAsync(model);
        await bench.DeclarePipelineAsync(name, RunBench.Check(model, model));
        await using RunBench runs = await RunBench.StartAsync(
            bench, "dapr", "--Gateway:HoldSeconds", "60", "--Gateway:ShutdownSeconds", "30", "--Gateway:RunLeaseSeconds", "3600");
        string id = await RunBench.BeginAsync(runs.Http, name);
        await GatewayBench.WaitAsync(IsHeldAsync, () => "the run to wait for a worker");
        await runs.StopFirstAsync();
        await using FakeWorker worker = await FakeWorker.StartAsync(model, TalkingModel.Script(_ => "Whole."));
        await bench.DeclarePodAsync(model + "-0", model, worker.Port);
        HttpClient second = await runs.StartGatewayAsync(bench, "--Gateway:HoldSeconds", "60");
        JsonElement run = await RunBench.UntilAsync(second, name, id, "completed");
        Assert.Equal((2, "Whole."), (run.GetProperty("attempts").GetInt32(), run.GetProperty("output").GetString()));

        async Task<bool> IsHeldAsync()
        {
            DemandReport? report = await bench.Http.GetFromJsonAsync(new Uri(runs.Internal, "/internal/demand"), ControlJson.Default.DemandReport);
            return report!.Models.Any(asked => asked.Model == model && asked.Held == 1); // Never the JSON null.
        }
    }

    [Fact]
    public async Task A_sidecar_that_is_away_is_told_as_503_and_a_run_outlives_its_absence()
    {
        (FakeWorker worker, string pipeline, TaskCompletionSource held) = await ServeAsync();
        await using FakeWorker _ = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, "dapr", "--Gateway:RunLeaseSeconds", "60");
        string id = await RunBench.BeginAsync(runs.Http, pipeline);
        await held.Task;
        FakeDaprSidecar sidecar = runs.Sidecar!;
        int refused = 0;
        sidecar.Before = (_, _) =>
        {
            Interlocked.Increment(ref refused);
            throw new RpcException(new Status(StatusCode.Unavailable, "no sidecar"));
        };
        using HttpResponseMessage answer = await runs.Http.PostAsync($"/v1/pipelines/{pipeline}/runs", Asking.Json("""{"input": "Hello"}"""));
        await Asking.RefusedAsync(answer, HttpStatusCode.ServiceUnavailable, "storage_unavailable");
        Assert.NotNull(answer.Headers.RetryAfter);
        await Asking.RefusedAsync(await runs.Http.GetAsync($"/v1/pipelines/{pipeline}/runs/{id}"), HttpStatusCode.ServiceUnavailable, "storage_unavailable");
        worker.Script = TalkingModel.Script(_ => "Whole.");
        await GatewayBench.WaitAsync(() => Task.FromResult(Volatile.Read(ref refused) >= 4), () => "the run to have missed the store");
        sidecar.Before = (_, _) => Task.CompletedTask;
        Assert.Equal("in_progress", (await RunBench.GetAsync(runs.Http, pipeline, id)).GetProperty("status").GetString());
        await runs.Http.PostAsync($"/v1/pipelines/{pipeline}/runs/{id}/cancel", null);
        string next = await RunBench.BeginAsync(runs.Http, pipeline);
        await RunBench.UntilAsync(runs.Http, pipeline, next, "completed");
    }

    [Fact]
    public async Task A_replica_whose_sidecar_stalls_loses_its_run_to_another_and_writes_nothing_more()
    {
        var left = new TaskCompletionSource();
        (FakeWorker worker, string pipeline, TaskCompletionSource held) = await ServeAsync(left: left);
        await using FakeWorker _ = worker;
        await using RunBench slow = await RunBench.StartAsync(bench, "dapr");
        await using FakeDaprSidecar quick = await FakeDaprSidecar.StartAsync(slow.Sidecar!.State);
        string id = await RunBench.BeginAsync(slow.Http, pipeline);
        await held.Task;
        var stall = new TaskCompletionSource();
        slow.Sidecar.Before = (_, _) => stall.Task;
        await using WebApplication gateway = await bench.StartGatewayAsync([.. RunBench.StoreOf(quick), "--Gateway:RunLeaseSeconds", "2", "--Gateway:ShutdownSeconds", "0"]);
        using var other = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };
        JsonElement run = await RunBench.UntilAsync(other, pipeline, id, "completed");
        Assert.Equal((2, "Whole."), (run.GetProperty("attempts").GetInt32(), run.GetProperty("output").GetString()));
        await left.Task; // The first attempt gave its worker free.
        stall.SetResult();
        slow.Sidecar.Before = (_, _) => Task.CompletedTask;
        string next = await RunBench.BeginAsync(slow.Http, pipeline);
        await RunBench.UntilAsync(slow.Http, pipeline, next, "completed"); // The replica is well again.
        JsonElement after = await RunBench.GetAsync(slow.Http, pipeline, id);
        Assert.Equal((2, "Whole."), (after.GetProperty("attempts").GetInt32(), after.GetProperty("output").GetString()));
    }

    [Fact]
    public async Task Writes_that_come_in_between_cost_nothing_but_another_try()
    {
        (FakeWorker worker, string pipeline, TaskCompletionSource _) = await ServeAsync(TalkingModel.Script(_ => "Whole."));
        await using FakeWorker stopped = worker;
        await using RunBench runs = await RunBench.StartAsync(bench, "dapr");
        FakeDaprSidecar sidecar = runs.Sidecar!;
        int saves = 0;
        // Every second write of a list or a run finds that somebody else has written meanwhile.
        sidecar.Before = (call, key) =>
        {
            if (call == "save" && (key == "open" || key.StartsWith("run.", StringComparison.Ordinal)) && Interlocked.Increment(ref saves) % 2 == 0)
                sidecar.State.Touch(key);
            return Task.CompletedTask;
        };
        string[] ids = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => RunBench.BeginAsync(runs.Http, pipeline)));
        foreach (string id in ids)
            Assert.Equal(1, (await RunBench.UntilAsync(runs.Http, pipeline, id, "completed")).GetProperty("attempts").GetInt32());
        Assert.True(Volatile.Read(ref saves) > 16);
        Assert.Equal(16, worker.Received.Count);
    }

    private static string ETagOf(FakeDaprSidecar sidecar, string id) => sidecar.State.Read($"run.{id}")!.Value.ETag; // Nobody deletes it.

    /// <summary>Serves a pipeline whose first call of the model says half of its answer and then nothing, until its caller leaves; later ones say <c>Whole.</c></summary>
    private async Task<(FakeWorker Worker, string Pipeline, TaskCompletionSource Held)> ServeAsync(RequestDelegate? script = null, TaskCompletionSource? left = null)
    {
        string name = $"lost-{Interlocked.Increment(ref _names)}";
        var held = new TaskCompletionSource();
        int calls = 0;
        async IAsyncEnumerable<string> SpeakAsync([EnumeratorCancellation] CancellationToken token)
        {
            if (Interlocked.Increment(ref calls) > 1)
            {
                yield return "Whole.";
                yield break;
            }
            yield return "Ha";
            held.SetResult();
            await using CancellationTokenRegistration leaves = token.Register(() => left?.TrySetResult());
            await Task.Delay(Timeout.Infinite, token);
        }
        FakeWorker worker = await FakeWorker.StartAsync(name + "-model", script ?? TalkingModel.Script((_, token) => SpeakAsync(token)));
        await bench.ServeAsync(name + "-model", worker);
        await bench.DeclarePipelineAsync(name, RunBench.Check(name + "-model", name + "-model"));
        return (worker, name, held);
    }

    /// <summary>The gateway as a process of its own, to be killed.</summary>
    private sealed class GatewayProcess : IDisposable
    {
        private readonly Process _process;

        private GatewayProcess(Process process, int port) => (_process, Http) = (process, new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") });

        public HttpClient Http { get; }

        public static async Task<GatewayProcess> StartAsync(GatewayBench bench, params string[] settings)
        {
            int[] ports = FreePorts();
            var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "AiFabric.Gateway"));
            string[] arguments =
            [
                "--Gateway:Listen", $"http://127.0.0.1:{ports[0]}", "--Gateway:InternalListen", $"http://127.0.0.1:{ports[1]}", "--Gateway:ProbeIntervalMilliseconds", "100",
                "--Logging:LogLevel:Default", "None", .. settings,
            ];
            foreach (string argument in arguments)
                start.ArgumentList.Add(argument);
            start.Environment["KUBECONFIG"] = bench.KubeConfigFile;
            var gateway = new GatewayProcess(Process.Start(start)!, ports[0]); // null only for shell documents
            await GatewayBench.WaitAsync(gateway.IsReadyAsync, () => "the gateway's process to be ready");
            return gateway;
        }

        /// <summary>kill -9.</summary>
        public async Task KillAsync()
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }

        public void Dispose()
        {
            Http.Dispose();
            if (!_process.HasExited)
                _process.Kill();
            _process.Dispose();
        }

        private async Task<bool> IsReadyAsync()
        {
            Assert.False(_process.HasExited, "The gateway's process ended");
            try
            {
                using HttpResponseMessage answer = await Http.GetAsync("/readyz");
                return answer.IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        }

        private static int[] FreePorts()
        {
            TcpListener[] listeners = [new(IPAddress.Loopback, 0), new(IPAddress.Loopback, 0)];
            foreach (TcpListener listener in listeners)
                listener.Start();
            int[] ports = [.. listeners.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port)];
            foreach (TcpListener listener in listeners)
                listener.Dispose();
            return ports;
        }
    }
}
