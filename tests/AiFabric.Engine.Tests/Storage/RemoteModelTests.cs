using System.Net.Http.Json;
using AiFabric.Engine.Models;
using AiFabric.Engine.Tests.LlamaCpp;
using AiFabric.Engine.Tests.Worker;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Backend;
using AiFabric.Worker.CommandLine;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Storage;

/// <summary>Real workers whose models, adapters and data lie on servers.</summary>
public sealed class RemoteModelTests : IDisposable
{
    private readonly TinyServedModel model = new();
    private readonly TemporaryFolder folder = new();
    private readonly Dictionary<string, string> environment = [];

    [Fact]
    public async Task A_model_is_served_from_the_hub()
    {
        await using var hub = await HubAsync("org/tiny", model.Path);
        await ServesAsync("hf://org/tiny@v1");
    }

    [Fact]
    public async Task A_GGUF_file_is_served_from_the_hub_and_from_a_folder()
    {
        using (var weights = DecoderWeights.Load(model.Path, ScalarType.Float32, CPU))
            LlamaGguf.Write(model.Path, weights, folder.File("tiny.gguf"));
        folder.Write("other.gguf", "of another model");
        await using var hub = await HubAsync("org/tiny", folder.Path);
        await ServesAsync("hf://org/tiny/tiny.gguf", folder.File("tiny.gguf"));
    }

    [Fact]
    public async Task A_model_is_served_from_S3()
    {
        await using var s3 = await FakeS3.StartAsync("models", "tiny/", model.Path);
        environment["AWS_ENDPOINT_URL"] = s3.Web.Url.AbsoluteUri;
        (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) = ("AKIATEST", "secret");
        await ServesAsync("s3://models/tiny");
    }

    [Fact]
    public async Task A_model_is_served_from_a_registry()
    {
        await using var registry = await FakeRegistry.StartAsync();
        registry.Push("v1", [.. Directory.GetFiles(model.Path).Select(file => (
            "application/octet-stream", File.ReadAllBytes(file), (Dictionary<string, string>?)new Dictionary<string, string> { ["org.opencontainers.image.title"] = Path.GetFileName(file) }))]);
        await ServesAsync($"oci://{registry.Authority}/{FakeRegistry.Repository}:v1");
    }

    [Fact]
    public async Task A_model_is_served_from_a_web_server()
    {
        await using var web = await FakeWebServer.StartAsync();
        string archive = folder.File("tiny.zip");
        await System.IO.Compression.ZipFile.CreateFromDirectoryAsync(model.Path, archive);
        web.Files["/tiny.zip"] = await File.ReadAllBytesAsync(archive);
        await ServesAsync(new Uri(web.Url, "/tiny.zip").AbsoluteUri);
    }

    [Fact]
    public async Task The_control_port_says_how_far_the_download_is()
    {
        await using var hub = await HubAsync("org/tiny", model.Path);
        var held = new TaskCompletionSource();
        hub.Content.HoldAtHalf = held.Task;
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, Options("hf://org/tiny"), waitUntilLoaded: false);
        ModelLoading? loading = null;
        long weights = new FileInfo(model.WeightsFile).Length;
        await RunningWorker.EventuallyAsync(async () => (loading = (await LoadAsync(worker)).Loading)?.DownloadedBytes >= weights / 2, "half of the weights");
        Assert.Equal(LoadingState.Downloading, loading!.State); // Awaited above.
        Assert.Equal(Directory.GetFiles(model.Path).Sum(file => new FileInfo(file).Length), loading.TotalBytes);
        Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, (await worker.Serving.GetAsync("/ready")).StatusCode);
        held.SetResult();
        await worker.Host.Loaded;
        Assert.Null((await LoadAsync(worker)).Loading);
    }

    [Fact]
    public async Task A_failed_download_is_told_on_the_control_port_and_the_worker_lives_on()
    {
        await using var hub = await HubAsync("org/tiny", model.Path);
        hub.Token = "hf_right";
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, Options("hf://org/tiny"), waitUntilLoaded: false);
        await RunningWorker.EventuallyAsync(async () => (await LoadAsync(worker)).Loading is { State: LoadingState.Failed } failed
            && failed.Message!.Contains("401", StringComparison.Ordinal) && failed.Message.Contains("HF_TOKEN", StringComparison.Ordinal), "the refusal"); // Failed has a message.
        Assert.False(worker.Host.Loaded.IsCompleted);
        hub.Token = null;
        await worker.Host.Loaded;
    }

    [Fact]
    public async Task An_adapter_and_data_come_from_servers_too()
    {
        EngineServingTests.SaveAdapter(folder.File("poet"), model.Config);
        await using var hub = await HubAsync("org/poet", folder.File("poet"));
        await using var web = await FakeWebServer.StartAsync();
        web.Files["/train.jsonl"] = Lines("it");
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, Options("file://" + model.Path));
        using var put = await worker.Control.PutAsJsonAsync("/control/adapters/poet", new AdapterRequest { Uri = "hf://org/poet" }, ControlJson.Default.AdapterRequest);
        Assert.True(put.IsSuccessStatusCode, await put.Content.ReadAsStringAsync());
        await TrainsAsync(worker, "u1", new Uri(web.Url, "/train.jsonl"));
        using var refused = await PutAsync(worker, "u2", new Uri(web.Url, "/none.jsonl"));
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains("answered 404", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_that_a_job_has_read_make_room_for_those_of_the_next()
    {
        await using var web = await FakeWebServer.StartAsync();
        string[] names = ["a", "b", "c"];
        foreach (string name in names)
            web.Files["/" + name] = Lines(string.Concat(Enumerable.Repeat(name, 1000)));
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, Options("file://" + model.Path) with { ModelCacheBytes = web.Files["/a"].Length * 3 / 2 });
        foreach (string name in names)
            await TrainsAsync(worker, name, new Uri(web.Url, "/" + name));
    }

    [Fact]
    public async Task A_download_goes_on_when_the_request_that_began_it_is_given_up()
    {
        await using var web = await FakeWebServer.StartAsync();
        (web.Files["/train.jsonl"], web.Tags) = (Lines("it"), false);
        var (data, held) = (new Uri(web.Url, "/train.jsonl"), new TaskCompletionSource());
        web.HoldAtHalf = held.Task;
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, Options("file://" + model.Path));
        await GiveUpAsync(worker, data, web);

        var again = TrainsAsync(worker, "u1", data);
        held.SetResult();
        await again;

        Assert.Single(web.Seen, seen => seen.Method == "GET");
    }

    [Fact]
    public async Task A_download_that_nobody_asks_for_any_more_ends_with_its_session()
    {
        await using var web = await FakeWebServer.StartAsync();
        web.Files["/train.jsonl"] = Lines("it");
        var broken = new TaskCompletionSource();
        web.HoldAtHalf = new TaskCompletionSource().Task;
        web.Before = context =>
        {
            if (context.Request.Method == "GET")
                context.RequestAborted.Register(() => broken.TrySetResult());
            return Task.FromResult(false);
        };
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, Options("file://" + model.Path));
        await GiveUpAsync(worker, new Uri(web.Url, "/train.jsonl"), web);

        using var deleted = await worker.Control.DeleteAsync(new Uri("/control/training/u1", UriKind.Relative));

        Assert.Equal(System.Net.HttpStatusCode.NoContent, deleted.StatusCode);
        await broken.Task.WaitAsync(TimeSpan.FromSeconds(20)); // A silent connection would be given up after 30.
    }

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    private async Task<FakeHub> HubAsync(string repository, string source)
    {
        var hub = await FakeHub.StartAsync(repository, source);
        environment["HF_ENDPOINT"] = hub.Hub.Url.AbsoluteUri;
        return hub;
    }

    private static byte[] Lines(string text) =>
        System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 40).Select(i => $"{{\"text\": \"line {i} of {text}\"}}\n")));

    private async Task TrainsAsync(RunningWorker worker, string uid, Uri data)
    {
        using var started = await PutAsync(worker, uid, data);
        Assert.True(started.IsSuccessStatusCode, await started.Content.ReadAsStringAsync());
        await RunningWorker.EventuallyAsync(
            async () => (await worker.Control.GetFromJsonAsync($"/control/training/{uid}", ControlJson.Default.TrainingStatus))!.State == TrainingState.Succeeded, "the job's end"); // Never null.
    }

    private Task<HttpResponseMessage> PutAsync(RunningWorker worker, string uid, Uri data, CancellationToken cancellationToken = default)
    {
        var training = new TrainingRequest
        {
            Job = uid,
            Dataset = new TrainingDataset { Uri = data.AbsoluteUri },
            Hyperparameters = new TrainingHyperparameters { MaxSteps = 1, BatchSize = 1, SequenceLength = 16 },
            Lora = new TrainingLora { Rank = 2, Alpha = 4 },
            CheckpointUri = "file://" + folder.File($"{uid}-checkpoints"),
            OutputUri = "file://" + folder.File($"{uid}-output"),
        };
        return worker.Control.PutAsJsonAsync($"/control/training/{uid}", training, ControlJson.Default.TrainingRequest, cancellationToken);
    }

    // Returns when the worker has heard of it.
    private async Task GiveUpAsync(RunningWorker worker, Uri data, FakeWebServer web)
    {
        using var stop = new CancellationTokenSource();
        var put = PutAsync(worker, "u1", data, stop.Token);
        await RunningWorker.EventuallyAsync(() => Task.FromResult(web.Seen.Any(seen => seen.Method == "GET")), "the download");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        await RunningWorker.EventuallyAsync(
            async () => (await worker.Serving.GetStringAsync("/metrics")).Contains("aifabric_worker_http_requests_total{port=\"control\"", StringComparison.Ordinal), "the end of the request");
    }

    private ServeOptions Options(string uri) => model.Options with
    {
        Model = uri,
        ModelCache = folder.File("cache"),
        DownloadRetry = TimeSpan.FromMilliseconds(20),
        Environment = environment.GetValueOrDefault,
    };

    private async Task ServesAsync(string uri, string? file = null)
    {
        string expected;
        await using (var local = await RunningWorker.StartAsync(EngineBackend.LoadAsync, Options("file://" + (file ?? model.Path))))
            expected = await DigestAsync(local);
        await using var worker = await RunningWorker.StartAsync(EngineBackend.LoadAsync, Options(uri));
        Assert.Equal(expected, await DigestAsync(worker));
        var answer = await worker.PostJsonAsync("/v1/completions", new { model = "demo", prompt = "Hello", max_tokens = 4, ignore_eos = true });
        Assert.Equal(4, answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    // The first report begins to compute it.
    private static async Task<string> DigestAsync(RunningWorker worker)
    {
        while (true)
        {
            if ((await LoadAsync(worker)).ModelDigest is { } digest)
                return digest;
        }
    }

    private static async Task<LoadReport> LoadAsync(RunningWorker worker) =>
        (await worker.Control.GetFromJsonAsync("/control/load", ControlJson.Default.LoadReport))!; // Never null.
}
