using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using AiFabric.Crds.Pipelines;
using Microsoft.AspNetCore.Builder;
using Xunit;

namespace AiFabric.Cluster.Tests.Gateway.AsyncRuns;

/// <summary>A gateway that keeps runs, in SQLite or through the fake of Dapr's sidecar, and what a client says to it.</summary>
public sealed class RunBench : IAsyncDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-runs-");
    private readonly List<WebApplication> _gateways = [];
    private readonly List<HttpClient> _clients = [];

    private RunBench(FakeDaprSidecar? sidecar) => Sidecar = sidecar;

    public FakeDaprSidecar? Sidecar { get; }

    /// <summary>Of the first gateway.</summary>
    public HttpClient Http => _clients[0];

    /// <summary>Internal port of the first gateway.</summary>
    public Uri Internal => GatewayBench.Internal(_gateways[0]);

    /// <summary>Settings by which a gateway shares this store.</summary>
    public string[] Store => Sidecar is null
        ? ["--Gateway:RunsFolder", _folder.FullName]
        : StoreOf(Sidecar);

    /// <summary>Settings by which a gateway keeps its runs through a sidecar.</summary>
    public static string[] StoreOf(FakeDaprSidecar sidecar) =>
        ["--Gateway:RunsStateStore", FakeDaprSidecar.StateStore, "--Gateway:RunsPubSub", FakeDaprSidecar.PubSub, "--Gateway:RunsDaprEndpoint", sidecar.Address.ToString()];

    /// <param name="bench">API server and workers.</param>
    /// <param name="kind"><c>sqlite</c> or <c>dapr</c>.</param>
    /// <param name="settings">Of the gateway.</param>
    public static async Task<RunBench> StartAsync(GatewayBench bench, string kind, params string[] settings)
    {
        var runs = new RunBench(kind == "dapr" ? await FakeDaprSidecar.StartAsync() : null);
        await runs.StartGatewayAsync(bench, settings);
        return runs;
    }

    /// <summary>The types of a run's events that the sidecar was given, in the order in which they came.</summary>
    public IReadOnlyList<string> Published(string id) =>
    [
        .. Sidecar!.State.Published.Where(happened => happened.GetProperty("subject").GetString() == id) // Only such a gateway publishes.
            .Select(happened => happened.GetProperty("type").GetString()!["io.aifabric.pipeline.run.".Length..]),
    ];

    /// <summary>Starts one more gateway over the same store.</summary>
    public async Task<HttpClient> StartGatewayAsync(GatewayBench bench, params string[] settings)
    {
        WebApplication gateway = await bench.StartGatewayAsync([.. Store, "--Gateway:ShutdownSeconds", "0", "--Gateway:RunLeaseSeconds", "2", .. settings]);
        _gateways.Add(gateway);
        var http = new HttpClient { BaseAddress = new Uri(gateway.Urls.First()) };
        _clients.Add(http);
        return http;
    }

    /// <summary>Stops the first gateway as a rollout does.</summary>
    public Task StopFirstAsync() => _gateways[0].StopAsync();

    /// <summary>Starts a run.</summary>
    /// <returns>Its id.</returns>
    public static async Task<string> BeginAsync(HttpClient http, string pipeline, string body = """{"input": "Hello"}""")
    {
        using HttpResponseMessage answer = await http.PostAsync($"/v1/pipelines/{pipeline}/runs", Asking.Json(body));
        JsonElement run = await ReadAsync(answer);
        Assert.True(answer.StatusCode == HttpStatusCode.Accepted, run.ToString());
        string id = run.GetProperty("id").GetString()!;
        Assert.Equal($"/v1/pipelines/{pipeline}/runs/{id}", answer.Headers.Location!.ToString());
        return id;
    }

    /// <summary>A run as it is now.</summary>
    public static async Task<JsonElement> GetAsync(HttpClient http, string pipeline, string id) =>
        await http.GetFromJsonAsync<JsonElement>($"/v1/pipelines/{pipeline}/runs/{id}");

    /// <summary>Waits until a run has this status.</summary>
    public static async Task<JsonElement> UntilAsync(HttpClient http, string pipeline, string id, string status)
    {
        JsonElement run = default;
        await GatewayBench.WaitAsync(
            async () =>
            {
                run = await GetAsync(http, pipeline, id);
                return run.GetProperty("status").GetString() == status;
            },
            () => $"run {id} to be {status}: {run}");
        return run;
    }

    /// <summary>The types of a run's events, read until the stream ends with the run.</summary>
    public static async Task<IReadOnlyList<string>> EventsAsync(HttpClient http, string pipeline, string id) =>
        [.. (await http.GetStringAsync($"/v1/pipelines/{pipeline}/runs/{id}/events")).Split('\n').Where(line => line.StartsWith("event: ", StringComparison.Ordinal))
            .Select(line => line["event: io.aifabric.pipeline.run.".Length..])];

    public static async Task<JsonElement> ReadAsync(HttpResponseMessage answer) => JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;

    /// <summary>A stage that answers, then one that checks each of its sentences, then a report.</summary>
    public static PipelineSpec Check(string writer, string checker) => new()
    {
        Stages =
        [
            new StageSpec { Name = "answer", ModelRef = new ModelStageSpec { Name = writer } },
            new StageSpec { Name = "check", ModelRef = new ModelStageSpec { Name = checker }, Inputs = [new InputSpec { From = "answer", Emit = EmitBy.Sentence }] },
            new StageSpec { Name = "report", Join = new JoinSpec(), Inputs = [new InputSpec { From = "check" }] },
        ],
        Output = new PipelineOutput { From = "report" },
    };

    /// <summary>What that pipeline says to "Hello" when its models say <c>One of PROMPT. Two.</c></summary>
    public const string Answer = "One of One of Hello.. Two.\nOne of Two.. Two.";

    public async ValueTask DisposeAsync()
    {
        foreach (HttpClient client in _clients)
            client.Dispose();
        foreach (WebApplication gateway in _gateways)
        {
            await gateway.StopAsync();
            await gateway.DisposeAsync();
        }
        if (Sidecar is not null)
            await Sidecar.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
