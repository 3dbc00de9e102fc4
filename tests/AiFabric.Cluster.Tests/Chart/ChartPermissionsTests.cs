using System.Net;
using System.Net.Sockets;
using AiFabric.Cluster.Tests.Operator;
using AiFabric.Cluster.Tests.RealCluster;
using AiFabric.Crds.Adapters;
using AiFabric.Crds.CoServedModels;
using AiFabric.Crds.FinetuneJobs;
using AiFabric.Kube;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>The executables under the chart's own service accounts: whatever they ask of a real API server, nothing is refused.</summary>
[Trait("Suite", "e2e")]
[Collection(ChartClusterTests.Name)]
public sealed class ChartPermissionsTests(ChartCluster cluster)
{
    private IKubernetesClient Client => cluster.Plane.Client;

    [Theory]
    [InlineData("cluster", "rights-cluster", "rights-models")]
    [InlineData("namespace", "rights-namespace", "rights-namespace")]
    public async Task Operator_and_gateway_are_refused_nothing(string scope, string release, string models)
    {
        var helm = new Helm("3.17");
        foreach (string space in new[] { release, models }.Distinct())
            await cluster.Plane.KubectlAsync(["create", "namespace", space]);
        await helm.RunAsync(
            cluster.Plane,
            // Nobody answers the webhooks at their Service without nodes; the operator keeps their certificate all the same.
            ["install", "aifabric", Helm.Chart, "--namespace", release, "--take-ownership", "--disable-openapi-validation", "--set",
                $"scope={scope},webhooks.failurePolicy=Ignore,webhooks.timeoutSeconds=1,gateway.requireApiKeys=true"]);
        await cluster.Plane.ServedAsync();
        await using var kubelet = new FakeKubelet(Client, models);
        await using WebApplication routes = await RoutesAsync(kubelet);
        await using Account gateway = await Account.StartAsync(cluster.Plane, release, "gateway", new Dictionary<string, string>
        {
            ["Gateway__Listen"] = $"http://127.0.0.1:{FreePort()}",
            ["Gateway__InternalListen"] = $"http://127.0.0.1:{FreePort()}",
        });
        await using (Account @operator = await Account.StartAsync(cluster.Plane, release, "operator", new Dictionary<string, string>
        {
            ["Operator__ListenUrl"] = $"http://127.0.0.1:{FreePort()}",
            ["Operator__Webhooks__Port"] = $"{FreePort()}",
            ["Operator__GatewayUrls__0"] = routes.Urls.First(),
            ["Operator__PollMilliseconds"] = "100",
            ["Operator__WorkerTemplateFile"] = Path.Combine(AppContext.BaseDirectory, "Operator", "fake-kubelet.yaml"),
        }))
        {
            await LiveAsync(models, () => @operator.Log);
        }
        await AssertNothingRefusedAsync(release, scope, gateway);
        await helm.RunAsync(cluster.Plane, ["uninstall", "aifabric", "--namespace", release, "--wait"]);
        // The definitions outlive the release; whatever test comes next installs into the usual namespace.
        await cluster.Plane.KubectlAsync(["annotate", "crd", "--all", "--overwrite", $"meta.helm.sh/release-namespace={ChartCluster.Namespace}"]);
    }

    /// <summary>A model, a job, its adapter, from their beginning to their end.</summary>
    private async Task LiveAsync(string space, Func<string> log)
    {
        await Client.CreateAsync(new CoServedModel
        {
            Metadata = new V1ObjectMeta { Name = "demo", NamespaceProperty = space },
            Spec = new CoServedModelSpec { Model = new ModelSource { Uri = "file:///models/demo" }, Replicas = 2 },
        });
        await WaitAsync(async () => await ConditionAsync<CoServedModel>(space, "demo", model => model.Status?.Conditions) == "True", "the model", log);
        await Client.CreateAsync(new FinetuneJob
        {
            Metadata = new V1ObjectMeta { Name = "job", NamespaceProperty = space },
            Spec = new FinetuneJobSpec
            {
                ModelRef = new LocalReference { Name = "demo" },
                Dataset = new DatasetSpec { Uri = "file:///data/train.jsonl" },
                Output = new OutputSpec { AdapterName = "french" },
                TtlSecondsAfterFinished = 1,
            },
        });
        await WaitAsync(async () => await ConditionAsync<Adapter>(space, "french", adapter => adapter.Status?.Conditions) == "True", "the adapter", log);
        await WaitAsync(async () => await Client.GetAsync<FinetuneJob>("job", space) is null, "the job's time to live", log);
        await Client.DeleteAsync<Adapter>("french", space);
        await WaitAsync(async () => await Client.GetAsync<Adapter>("french", space) is null, "the adapter's finalizer", log);
        await Client.PatchAsync<CoServedModel>("demo", space, new() { ["spec"] = new System.Text.Json.Nodes.JsonObject { ["replicas"] = 1 } });
        await WaitAsync(async () => (await Client.GetAsync<V1Deployment>("demo", space))?.Spec.Replicas == 1, "one replica", log);
        await Client.DeleteAsync<CoServedModel>("demo", space);
    }

    private async Task AssertNothingRefusedAsync(string release, string scope, Account gateway)
    {
        string operators = $"system:serviceaccount:{release}:aifabric-operator", gateways = $"system:serviceaccount:{release}:aifabric-gateway";
        // Its watches are still open, and those of custom resources are then not in the log yet; refused ones would be.
        await WaitAsync(
            () => Task.FromResult(new[] { "pods", "coservedmodels", "secrets" }.All(
                kind => Requests(gateways).Any(request => request is { Verb: "list", Code: 200 } && request.Resource == kind))),
            "the gateway's lists", () => gateway.Log);
        foreach (string account in new[] { operators, gateways })
            Assert.Empty(Requests(account).Where(request => request.Code == 403).Select(request => $"{account}: {request.Verb} {request.Uri}").Distinct());
        Assert.Contains(Requests(operators), request => request is { Verb: "update", Resource: "leases" });
        Assert.Contains(Requests(operators), request => request is { Verb: "delete", Resource: "finetunejobs" });
        bool keptCertificate = Requests(operators).Any(request => request is { Verb: "patch", Resource: "validatingwebhookconfigurations", Code: 200 });
        Assert.Equal(scope == "cluster", keptCertificate);
        if (scope == "namespace")
            Assert.All(Requests(operators).Concat(Requests(gateways)).Where(request => request.Resource.Length > 0), request => Assert.Equal(release, request.Namespace));
    }

    private IEnumerable<AuditEvent> Requests(string account) => AuditEvent.Read(cluster.Plane.AuditLog).Where(request => request.User == account);

    private async Task<string?> ConditionAsync<T>(string space, string name, Func<T, IEnumerable<V1Condition>?> conditions)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        await Client.GetAsync<T>(name, space) is { } found ? conditions(found)?.FirstOrDefault(condition => condition.Type == "Ready")?.Status : null;

    private static Task WaitAsync(Func<Task<bool>> condition, string what, Func<string> log) => Fabric.WaitAsync(condition, () => $"{what}; the log:\n{log()}");

    /// <summary>A gateway that routes to every ready pod.</summary>
    private static async Task<WebApplication> RoutesAsync(FakeKubelet kubelet)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        app.Run(context => context.Response.WriteAsJsonAsync(new RouteReport { Routes = kubelet.Routes() }, ControlJson.Default.RouteReport));
        await app.StartAsync();
        return app;
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
