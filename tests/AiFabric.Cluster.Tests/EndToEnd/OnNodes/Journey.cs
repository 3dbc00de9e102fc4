using System.Diagnostics;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using k8s.Models;
using Xunit;

namespace AiFabric.Cluster.Tests.EndToEnd.OnNodes;

/// <summary>
/// What a platform engineer does on a cluster, with Helm and kubectl: install the chart, apply the samples, chat from a pod, finetune while the
/// model serves, chat with the adapter, uninstall. Each step waits for what it brings about.
/// </summary>
public sealed class Journey
{
    public const string Space = "aifabric-system";

    private const string Twin = """
        apiVersion: aifabric.io/v1alpha1
        kind: CoServedModel
        metadata: {name: twin, namespace: default}
        spec:
          model: {uri: "file:///opt/aifabric/models/aifabric-demo-5m", name: demo}
        """;

    private readonly ControlPlane _plane;
    private readonly Transcript _transcript;

    private Journey(ControlPlane plane, Transcript transcript) => (_plane, _transcript) = (plane, transcript);

    /// <summary>Nodes that ran workers of the scaled model.</summary>
    public IReadOnlyList<string> WorkerNodes { get; private set; } = [];

    /// <summary>What kubectl said to a model whose served name is taken: only the webhooks know.</summary>
    public string Refusal { get; private set; } = "";

    /// <summary>What the pods printed that chatted: with the model, then with the adapter (several pods).</summary>
    public IReadOnlyList<string> Chats { get; private set; } = [];

    /// <summary><c>kubectl get csm,ftj -A</c> when all was done.</summary>
    public string Resources { get; private set; } = "";

    /// <summary>The same after <c>helm uninstall</c>, and what is left of the release's namespace.</summary>
    public string ResourcesAfterUninstall { get; private set; } = "";

    public string PodsAfterUninstall { get; private set; } = "";

    /// <summary>Permissions of operator and gateway.</summary>
    public IReadOnlyList<Grant> Grants { get; private set; } = [];

    /// <summary>All requests of the API server from its start to the end of operator and gateway.</summary>
    public IReadOnlyList<AuditEvent> Requests { get; private set; } = [];

    /// <summary>Those before the uninstallation, which takes the roles away first.</summary>
    public IReadOnlyList<AuditEvent> RequestsWhileInstalled { get; private set; } = [];

    public static async Task<Journey> MakeAsync(ControlPlane plane, Transcript transcript)
    {
        var journey = new Journey(plane, transcript);
        var clock = Stopwatch.StartNew();
        await journey.InstallAsync();
        await journey.ServeAsync();
        await journey.FinetuneAsync();
        await journey.DeleteAsync();
        await journey.ShowAsync();
        await journey.UninstallAsync();
        transcript.Add("time", $"{clock.Elapsed.TotalSeconds:F0} s from helm install to helm uninstall");
        return journey;
    }

    private async Task InstallAsync()
    {
        await KubectlAsync("get nodes");
        await ApplyAsync(DataVolume.Yaml(Directory.CreateDirectory(Path.Combine(_plane.Folder, "data")).FullName));
        // The 1.20 core's OpenAPI document, which Helm would validate against, does not know x-kubernetes-validations. The server does.
        await HelmAsync(
            $"install aifabric charts/aifabric --namespace {Space} --create-namespace --wait --timeout 5m --disable-openapi-validation "
            + $"--set data.uri=pvc://{DataVolume.Claim}");
        await KubectlAsync($"get pods -n {Space} -o wide");
        await _plane.NameServiceAsync(Space, "aifabric-webhooks");
        await FabricFixture.UntilAsync(
            async () => (await _plane.TryKubectlAsync(["apply", "--dry-run=server", "-f", Sample("model.yaml")])).ExitCode == 0,
            () => "the webhooks' answer", seconds: 60);
    }

    private async Task ServeAsync()
    {
        await KubectlAsync("apply -f samples/kubernetes/model.yaml");
        Refusal = await _plane.KubectlAsync(["apply", "-f", "-"], Twin, exitCode: 1);
        _transcript.Add("kubectl apply -f - # a second model of the same served name", Refusal);
        await KubectlAsync("wait --for=condition=Ready csm/demo --timeout=300s");
        await KubectlAsync("scale csm/demo --replicas=2");
        await FabricFixture.UntilAsync(
            async () => await _plane.Client.GetAsync<CoServedModel>("demo", "default") is { Status.ReadyReplicas: 2 },
            () => "two ready replicas of demo", seconds: 300);
        IReadOnlyList<V1Pod> pods = await _plane.Client.ListAsync<V1Pod>("default", labelSelector: "aifabric.io/model=demo");
        WorkerNodes = [.. pods.Select(pod => pod.Spec.NodeName)];
        Chats = [await ChatAsync("chat-base", "demo")];
    }

    private async Task FinetuneAsync()
    {
        await KubectlAsync("apply -f samples/kubernetes/finetune.yaml");
        await KubectlAsync("wait --for=condition=Complete ftj/jargon --timeout=300s");
        await KubectlAsync("wait --for=condition=Ready adp/jargon --timeout=120s");
        Chats = [.. Chats, await ChatAsync("chat", "demo:jargon"), await ChatAsync("chat-again", "demo:jargon")];
    }

    /// <summary>An adapter that a user deletes, and a failed job that goes by itself.</summary>
    private async Task DeleteAsync()
    {
        await ApplyAsync("""
            apiVersion: aifabric.io/v1alpha1
            kind: Adapter
            metadata:
              name: copy
            spec:
              modelRef: {name: demo}
              source: {finetuneJobRef: {name: jargon}}
            ---
            apiVersion: aifabric.io/v1alpha1
            kind: FinetuneJob
            metadata:
              name: broken
            spec:
              modelRef: {name: demo}
              dataset: {uri: "file:///no/such/file.jsonl", format: Text}
              output: {adapterName: broken}
              backoffLimit: 0
              ttlSecondsAfterFinished: 0
            """);
        await KubectlAsync("wait --for=condition=Ready adp/copy --timeout=120s");
        await KubectlAsync("delete adp/copy");
        await FabricFixture.UntilAsync(
            async () => await _plane.Client.GetAsync<FinetuneJob>("broken", "default") is null, () => "the failed job's end", seconds: 120);
    }

    private async Task ShowAsync()
    {
        await KubectlAsync("get pods -A -o wide");
        Resources = await KubectlAsync("get csm,ftj -A");
        await KubectlAsync("get adp -A");
        foreach (string account in new[] { "operator", "gateway" })
            await KubectlAsync($"auth can-i --list -n {Space} --as=system:serviceaccount:{Space}:aifabric-{account}");
        Grants = await Grant.OfAccountsAsync(_plane.Client, Space);
    }

    private async Task UninstallAsync()
    {
        RequestsWhileInstalled = AuditEvent.Read(_plane.AuditLog);
        await HelmAsync($"uninstall aifabric --namespace {Space} --wait");
        // Helm waits for the deployments alone. A watch is in the audit log once it ended.
        await FabricFixture.UntilAsync(
            async () => (await _plane.Client.ListAsync<V1Pod>(Space)).Count == 0, () => $"the pods of {Space} to be gone", seconds: 120);
        Requests = AuditEvent.Read(_plane.AuditLog);
        ResourcesAfterUninstall = await KubectlAsync("get csm,ftj,adp -A");
        PodsAfterUninstall = await KubectlAsync($"get deployments,services,pods -n {Space}");
    }

    /// <summary>Runs the sample chat.yaml as a pod. This cluster has no DNS and no registry: the Service's address and a local image stand in.</summary>
    private async Task<string> ChatAsync(string name, string model)
    {
        var service = await _plane.Client.GetAsync<V1Service>("aifabric-gateway", Space);
        string sample = await File.ReadAllTextAsync(Sample("chat.yaml"));
        await ApplyAsync(sample.Replace("name: chat\nspec", $"name: {name}\nspec", StringComparison.Ordinal)
            .Replace("\"demo:jargon\"", $"\"{model}\"", StringComparison.Ordinal)
            .Replace("busybox:1.37", "docker.io/local/busybox:1", StringComparison.Ordinal)
            .Replace("aifabric-gateway.aifabric-system", service!.Spec.ClusterIP, StringComparison.Ordinal)); // Helm waited for it.
        await KubectlAsync($"wait --for=condition=complete job/{name} --timeout=120s");
        string said = await _plane.KubectlAsync(["logs", $"job/{name}"]);
        string[] events = said.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        _transcript.Add($"kubectl logs job/{name}", string.Join('\n', [.. events.Take(3), $"... ({events.Length} events)", .. events.TakeLast(2)]));
        return said;
    }

    private static string Sample(string file) => Path.Combine(ControlPlane.Repository, "samples", "kubernetes", file);

    private async Task ApplyAsync(string yaml) => _transcript.Add("kubectl apply -f -", await _plane.KubectlAsync(["apply", "-f", "-"], yaml));

    private async Task<string> KubectlAsync(string arguments)
    {
        string[] words = [.. arguments.Split(' ').Select(word => word.StartsWith("samples/", StringComparison.Ordinal) ? Path.Combine(ControlPlane.Repository, word) : word)];
        string answer = await _plane.KubectlAsync(words);
        _transcript.Add("kubectl " + arguments, answer);
        return answer;
    }

    private async Task HelmAsync(string arguments)
    {
        string[] words = [.. arguments.Split(' ').Select(word => word.StartsWith("charts/", StringComparison.Ordinal) ? Path.Combine(ControlPlane.Repository, word) : word)];
        Said said = await Shell.TryAsync("helm", words, _plane.ClientEnvironment(), seconds: 400);
        _transcript.Add("helm " + arguments, said.Text);
        Assert.True(said.ExitCode == 0, $"helm {arguments}: {said.Text}{(said.ExitCode == 0 ? "" : await KubectlAsync("describe pods -A"))}");
    }
}
