using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd;

/// <summary>One fabric for all end-to-end tests, started and stopped as a person does: by the <c>aifabric</c> executable. It serves a model <c>demo</c>.</summary>
public sealed class FabricFixture : IAsyncLifetime
{
    public const string Space = "default";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-e2e-");
    private readonly HttpClient _http = new();
    private KubernetesClient? _client;

    public FabricFixture()
    {
        Processes = new FabricProcesses(this);
        Gateway = new Uri($"http://127.0.0.1:{FreePort()}");
    }

    /// <summary>Root of the repository.</summary>
    public static string Repository { get; } = Root(AppContext.BaseDirectory);

    public static string DemoModel => Path.Combine(Repository, "runtime", "models", "aifabric-demo-5m");

    /// <summary>The fabric's state.</summary>
    public string DataDirectory => Path.Combine(_folder.FullName, "fabric");

    public IKubernetesClient Client => _client!; // Set before any test runs.

    public FabricProcesses Processes { get; }

    public Uri Gateway { get; }

    /// <summary>Port of the API server.</summary>
    public int ApiPort { get; } = FreePort();

    private string Kubeconfig => Path.Combine(DataDirectory, "kubeconfig");

    public async ValueTask InitializeAsync()
    {
        try
        {
            string gatewayPort = Gateway.Port.ToString(CultureInfo.InvariantCulture);
            await RunAsync(Cli(), ["up", "--data-dir", DataDirectory, "--port", ApiPort.ToString(CultureInfo.InvariantCulture), "--gateway-port", gatewayPort]);
            _client = new KubernetesClient(KubeConfig.FromFile(Kubeconfig), new KubeMetrics(Metrics.NewCustomRegistry()), NullLogger<KubernetesClient>.Instance);
            await Client.CreateAsync(NewModel("demo", DemoModel));
            await ModelReadyAsync();
        }
        catch
        {
            await DisposeAsync(); // xunit disposes only what it could initialize.
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Directory.Exists(DataDirectory))
            await RunAsync(Cli(), ["down", "--purge", "--data-dir", DataDirectory]);
        _client?.Dispose();
        _http.Dispose();
        _folder.Delete(recursive: true);
    }

    /// <summary>A model whose workers use one core, so that the other is left to the rest of the fabric.</summary>
    public static CoServedModel NewModel(string name, string folder) => new()
    {
        Metadata = new V1ObjectMeta { Name = name, NamespaceProperty = Space },
        Spec = new CoServedModelSpec
        {
            Model = new ModelSource { Uri = "file://" + folder },
            Replicas = 1,
            Template = new V1PodTemplateSpec
            {
                Spec = new V1PodSpec
                {
                    Containers = [new V1Container { Name = "worker", Env = [new V1EnvVar { Name = "AIFABRIC_THREADS", Value = "1" }] }],
                },
            },
        },
    };

    /// <summary>Writes a file (or the folders above it) that lives as long as the fabric.</summary>
    /// <returns>Its path.</returns>
    public string NewPath(string name)
    {
        string path = Path.Combine(_folder.FullName, "input", name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!); // The path has a folder: it was just put together.
        return path;
    }

    public Task ModelReadyAsync() => ConditionAsync<CoServedModel>("demo", CoServedModelConditions.Ready, "True");

    /// <summary>Waits until a condition has this status and, when given, this reason.</summary>
    public async Task<V1Condition> ConditionAsync<T>(string name, string type, string status, string? reason = null)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        V1Condition? last = null;
        await UntilAsync(
            async () =>
            {
                last = Conditions(await Client.GetAsync<T>(name, Space))?.FirstOrDefault(condition => condition.Type == type);
                return last?.Status == status && (reason is null || last.Reason == reason);
            },
            () => $"{typeof(T).Name} {name}: {type} to be {status}/{reason}; it is {last?.Status}/{last?.Reason}: {last?.Message}");
        return last!; // The condition was seen to hold.
    }

    /// <summary>Polls until something holds. A server that does not answer counts as "not yet", for tests kill it.</summary>
    public static async Task UntilAsync(Func<Task<bool>> holds, Func<string> what, int seconds = 90)
    {
        var clock = Stopwatch.StartNew();
        string? trouble = null;
        while (true)
        {
            try
            {
                if (await holds())
                    return;
                trouble = null;
            }
            catch (Exception e) when (e is HttpRequestException or IOException or KubernetesApiException)
            {
                trouble = e.Message;
            }

            if (clock.Elapsed.TotalSeconds > seconds)
                Assert.Fail($"Waited {seconds} s in vain for {what()} {trouble}");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Streams one chat through the gateway.</summary>
    /// <returns>The <c>data:</c> of each event.</returns>
    public async Task<IReadOnlyList<string>> ChatAsync(string model)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(Gateway, "/v1/chat/completions"))
        {
            Content = new StringContent(
                $$"""{"model":"{{model}}","messages":[{"role":"user","content":"The state of the Union"}],"max_tokens":8,"stream":true}""", null, "application/json"),
        };
        using HttpResponseMessage response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{model}: {response.StatusCode}: {text}");
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        return [.. text.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).Select(line => line[6..].TrimEnd('\r'))];
    }

    /// <summary>Posts a body to the gateway.</summary>
    public async Task<(HttpStatusCode Status, string Body)> PostAsync(string path, string body)
    {
        using var content = new StringContent(body, null, "application/json");
        using HttpResponseMessage response = await _http.PostAsync(new Uri(Gateway, path), content, TestContext.Current.CancellationToken);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>Uploads two lines and asks OpenAI's way for a model that is finetuned on them.</summary>
    /// <returns>The id of the job.</returns>
    public async Task<string> PlaceOrderAsync()
    {
        using var form = new MultipartFormDataContent
        {
            { new StringContent("fine-tune"), "purpose" },
            { new StringContent("{\"text\":\"It was a fine morning.\"}\n{\"text\":\"It was a fine evening.\"}\n"), "file", "train.jsonl" },
        };
        using HttpResponseMessage response = await _http.PostAsync(new Uri(Gateway, "/v1/files"), form, TestContext.Current.CancellationToken);
        string file = IdOf(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        return IdOf((await PostAsync("/v1/fine_tuning/jobs", $$"""{"model":"demo","training_file":"{{file}}"}""")).Body);

        static string IdOf(string body) => System.Text.Json.Nodes.JsonNode.Parse(body)?["id"]?.GetValue<string>() ?? throw new InvalidOperationException(body);
    }

    /// <summary>Runs a script of tests/npm; skips the test visibly where its packages are missing.</summary>
    public Task<string> NodeAsync(string script, params string[] arguments)
    {
        string folder = Path.Combine(Repository, "tests", "npm");
        Assert.SkipUnless(Directory.Exists(Path.Combine(folder, "node_modules", "openai")), "tests/npm/node_modules is missing: run 'npm ci' in tests/npm");
        return RunAsync("node", [Path.Combine(folder, script), .. arguments]);
    }

    /// <summary>Makes a model folder of the sentence encoder's npm package.</summary>
    public Task ImportUseLiteAsync(string package, string folder) =>
        RunAsync(Path.Combine(Repository, "artifacts", "bin", "AiFabric.Pretraining", $"{Configuration}_linux-x64", "AiFabric.Pretraining"), ["import-use-lite", package, folder]);

    public Task<string> ReadAsync(Uri address) => _http.GetStringAsync(address, TestContext.Current.CancellationToken);

    /// <summary>What the gateway routes to.</summary>
    public async Task<IReadOnlyList<RouteEntry>> RoutesAsync()
    {
        V1Pod gateway = Assert.Single(await Client.ListAsync<V1Pod>("aifabric-system", "app.kubernetes.io/component=gateway"));
        string body = await ReadAsync(new Uri($"http://{gateway.Status.PodIP}:8081/internal/routes"));
        return System.Text.Json.JsonSerializer.Deserialize(body, ControlJson.Default.RouteReport)!.Routes; // The gateway never answers "null".
    }

    /// <summary>Runs kubectl; skips the test visibly where there is none.</summary>
    /// <returns>What it printed on both outputs.</returns>
    public async Task<string> KubectlAsync(string[] arguments, string? input = null, int exitCode = 0, string? editor = null)
    {
        var paths = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        Assert.SkipUnless(paths.Any(path => File.Exists(Path.Combine(path, "kubectl"))), "kubectl is not in PATH");
        return await RunAsync("kubectl", arguments, input, exitCode, editor);
    }

    private async Task<string> RunAsync(string program, string[] arguments, string? input = null, int exitCode = 0, string? editor = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["KUBECONFIG"] = Kubeconfig;
        start.Environment["HOME"] = _folder.FullName;
        start.Environment["KUBE_EDITOR"] = editor;
        using Process process = Process.Start(start)!; // Never null without a shell.
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        Task<string> output = process.StandardOutput.ReadToEndAsync(deadline.Token), errors = process.StandardError.ReadToEndAsync(deadline.Token);
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync(deadline.Token);
        string said = await output + await errors;
        Assert.True(process.ExitCode == exitCode, $"{Path.GetFileName(program)} {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{said}");
        return said;
    }

    private static IEnumerable<V1Condition>? Conditions<T>(T? entity) => entity switch
    {
        CoServedModel model => model.Status?.Conditions,
        Adapter adapter => adapter.Status?.Conditions,
        FinetuneJob job => job.Status?.Conditions,
        _ => null,
    };

    public static string Cli() => Executable("AiFabric.Cli", "aifabric");

    /// <summary>A project's executable of the same configuration as these tests.</summary>
    public static string Executable(string project, string name) => Path.Combine(Repository, "artifacts", "bin", project, Configuration, name);

    private static string Configuration => Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)).Split('_')[0];

    public static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static string Root(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : Root(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}

/// <summary>The tests of one fabric: one after another, and not beside the other tests, which they would starve.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class FabricTests : ICollectionFixture<FabricFixture>
{
    public const string Name = "End to end";
}
