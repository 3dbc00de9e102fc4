using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using AiFabric.Cli.Cluster;
using AiFabric.Cli.Fabric;
using AiFabric.Cli.Gateway;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using k8s.Models;

namespace AiFabric.Cli.Demo;

/// <summary>
/// The main job, end to end: (1) start the fabric, (2) declare a model, (3) chat, (4) declare a finetuning job and keep chatting,
/// (5) compare losses, (6) ask base and adapter the same, (7) tear down. Anything that does not hold ends it with the reason.
/// </summary>
public sealed class DemoRun(string repository, TimeProvider time, Action<string> say)
{
    private const string Prompt = "The meaning of the word is";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly FabricPaths _paths = new(Path.Combine(Path.GetTempPath(), $"aifabric-demo-{Environment.ProcessId}"));

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var fabric = new LocalFabric(_paths, new FabricPorts(FreePort(), FreePort()), time);
        try
        {
            Heading("Start the fabric");
            say($"Its state is in {_paths.Root}.");
            fabric.StartSupervisor(ProcessMark.Current);
            await fabric.DeployAsync(say, cancellationToken);
            await ShowAsync(fabric, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            await ExplainAsync();
            throw;
        }
        finally
        {
            Heading("Tear down");
            await fabric.StopAsync(CancellationToken.None);
            if (Directory.Exists(_paths.Root))
                Directory.Delete(_paths.Root, recursive: true);
        }
    }

    private async Task ShowAsync(LocalFabric fabric, CancellationToken cancellationToken)
    {
        using var jobs = JobClient.Create(KubeConfig.FromFile(_paths.Kubeconfig));
        using var http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        var chat = new ChatClient(http, fabric.GatewayUri);

        Heading("Declare a model");
        await ApplyAsync("model.yaml", cancellationToken);
        await UntilAsync("CoServedModel demo to be Ready", async () => IsTrue(
            (await jobs.Kubernetes.GetAsync<CoServedModel>("demo", "default", cancellationToken))?.Status.Conditions, CoServedModelConditions.Ready), cancellationToken);
        await ShowObjectsAsync(jobs.Kubernetes, cancellationToken);

        Heading("Chat");
        say($"> {Prompt}");
        say(await AnswerAsync(chat, "demo", cancellationToken));

        Heading("Finetune while it serves");
        await ApplyAsync("finetune.yaml", cancellationToken);
        FinetuneJob job = await FinetuneAsync(jobs, http, chat, cancellationToken);
        JudgeLosses(job);

        Heading("Ask base and adapter the same");
        string adapter = job.Spec.Output.AdapterName;
        await UntilAsync($"Adapter {adapter} to be Ready", async () => IsTrue(
            (await jobs.Kubernetes.GetAsync<Adapter>(adapter, "default", cancellationToken))?.Status.Conditions, AdapterConditions.Ready), cancellationToken);
        string before = await AnswerAsync(chat, "demo", cancellationToken), after = await AnswerAsync(chat, $"demo:{adapter}", cancellationToken);
        say($"> {Prompt}\ndemo:        {before}\ndemo:{adapter}: {after}");
        if (before == after)
            throw new CliException("base and adapter gave the same greedy answer");
    }

    private async Task<FinetuneJob> FinetuneAsync(JobClient jobs, HttpClient http, ChatClient chat, CancellationToken cancellationToken)
    {
        FinetuneJob job = await jobs.Kubernetes.GetAsync<FinetuneJob>("jargon", "default", cancellationToken)
            ?? throw new CliException("FinetuneJob jargon is not there");
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var load = new ChatLoad(chat, "demo", clients: 2, time);
        var meter = new Meter(jobs.Kubernetes, http, load, time, say);
        Task chatting = load.RunAsync(stop.Token);
        FinetuneJob ended = await meter.RunAsync(jobs, job, cancellationToken);
        await stop.CancelAsync();
        await chatting;

        if (JobClient.Ended(ended) is not { Succeeded: true })
            throw new CliException($"FinetuneJob jargon failed: {JobClient.Ended(ended)?.Reason}: {JobClient.Ended(ended)?.Message}");
        say(string.Create(CultureInfo.InvariantCulture, $"{load.Answers} chats answered, {load.Failures} failed; both rates above zero in {meter.SharedSeconds} seconds; {meter.Counters.CoServedIterations:0} iterations carried both kinds of token"));
        if (load.Failures > 0)
            throw new CliException($"{load.Failures} chats failed while the model was finetuned");
        if (meter.SharedSeconds == 0 || meter.Counters.CoServedIterations == 0)
            throw new CliException("inference and finetuning never advanced together");
        return ended;
    }

    private void JudgeLosses(FinetuneJob job)
    {
        FinetuneProgress? progress = job.Status.Progress;
        say($"held-out loss: base {progress?.BaseEvalLoss} -> adapter {progress?.EvalLoss} nats per token");
        if (!double.TryParse(progress?.BaseEvalLoss, CultureInfo.InvariantCulture, out double before)
            || !double.TryParse(progress?.EvalLoss, CultureInfo.InvariantCulture, out double after) || after >= before)
        {
            throw new CliException("the held-out loss did not fall");
        }
    }

    private async Task ApplyAsync(string sample, CancellationToken cancellationToken)
    {
        string manifest = (await File.ReadAllTextAsync(Path.Combine(repository, "samples", sample), cancellationToken)).Replace("$PWD", repository, StringComparison.Ordinal);
        string rendered = Path.Combine(_paths.Root, sample);
        await File.WriteAllTextAsync(rendered, manifest, cancellationToken);
        if (await RunKubectlAsync(["apply", "-f", rendered], cancellationToken))
            return;
        using var client = new ClusterClient(KubeConfig.FromFile(_paths.Kubeconfig));
        foreach (var entity in Manifests.Load(rendered))
            say(await client.ApplyAsync(entity, "default", cancellationToken) + " serverside-applied");
    }

    private async Task ShowObjectsAsync(IKubernetesClient kubernetes, CancellationToken cancellationToken)
    {
        await RunKubectlAsync(["get", "pods", "-A"], cancellationToken);
        CoServedModel model = await kubernetes.GetAsync<CoServedModel>("demo", "default", cancellationToken) ?? throw new CliException("CoServedModel demo is not there");
        foreach (V1Condition condition in model.Status.Conditions ?? [])
            say($"  {condition.Type,-16} {condition.Status,-6} {condition.Reason}: {condition.Message}");
    }

    /// <returns>False when there is no kubectl.</returns>
    /// <exception cref="CliException">kubectl failed.</exception>
    private async Task<bool> RunKubectlAsync(string[] arguments, CancellationToken cancellationToken)
    {
        if (!(Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(d => File.Exists(Path.Combine(d, "kubectl"))))
            return false;
        say($"$ kubectl {string.Join(' ', arguments)}");
        var start = new ProcessStartInfo("kubectl", arguments) { RedirectStandardOutput = true };
        start.Environment["KUBECONFIG"] = _paths.Kubeconfig;
        using Process kubectl = Process.Start(start) ?? throw new CliException("kubectl did not start");
        say((await kubectl.StandardOutput.ReadToEndAsync(cancellationToken)).TrimEnd());
        await kubectl.WaitForExitAsync(cancellationToken);
        return kubectl.ExitCode == 0 ? true : throw new CliException($"kubectl {arguments[0]} ended with {kubectl.ExitCode}");
    }

    private static async Task<string> AnswerAsync(ChatClient chat, string model, CancellationToken cancellationToken)
    {
        var answer = new StringBuilder();
        await foreach (string piece in chat.StreamAsync(model, [ChatClient.User(Prompt)], 48, 0, 1, cancellationToken))
            answer.Append(piece);
        return answer.ToString().ReplaceLineEndings(" ");
    }

    private async Task UntilAsync(string what, Func<Task<bool>> holds, CancellationToken cancellationToken)
    {
        long started = time.GetTimestamp();
        while (!await holds())
        {
            if (time.GetElapsedTime(started) > Patience)
                throw new CliException($"waited {Patience.TotalMinutes:0} minutes for {what}");
            await Task.Delay(TimeSpan.FromMilliseconds(250), time, cancellationToken);
        }

        say(string.Create(CultureInfo.InvariantCulture, $"{what}: after {time.GetElapsedTime(started).TotalSeconds:0.0} s"));
    }

    /// <summary>What a person would look at first after a failure.</summary>
    private async Task ExplainAsync()
    {
        Heading("What the fabric says");
        if (!File.Exists(_paths.Kubeconfig))
            return;
        try
        {
            await RunKubectlAsync(["get", "pods,coservedmodels,finetunejobs,adapters", "-A", "-o", "wide"], CancellationToken.None);
            await RunKubectlAsync(["get", "events", "-A"], CancellationToken.None);
        }
        catch (CliException e)
        {
            say(e.Message);
        }

        if (File.Exists(_paths.Log))
            say(string.Join('\n', (await File.ReadAllLinesAsync(_paths.Log)).TakeLast(40)));
    }

    private void Heading(string text) => say($"\n== {text}");

    private static bool IsTrue(IList<V1Condition>? conditions, string type) => conditions?.Any(c => c.Type == type && c.Status == "True") == true;

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
