using System.Net;
using System.Text.Json.Nodes;
using AiFabric.Cli;
using AiFabric.Cli.Cluster;
using AiFabric.Kube;
using k8s;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class ClusterClientTests
{
    /// <summary>Paths of an API server and what it answers. It lists the group of an aggregated API that is down all the same.</summary>
    private static readonly (string Path, string Body)[] Documents =
    [
        ("/apis",
            """
            {"groups": [{"name": "metrics.k8s.io", "preferredVersion": {"groupVersion": "metrics.k8s.io/v1beta1"}},
                        {"name": "aifabric.io", "preferredVersion": {"groupVersion": "aifabric.io/v1alpha1"}}]}
            """),
        ("/api/v1", """{"resources": [{"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "shortNames": ["po"]}]}"""),
        ("/apis/aifabric.io/v1alpha1",
            """{"resources": [{"name": "coservedmodels", "singularName": "coservedmodel", "namespaced": true, "kind": "CoServedModel", "shortNames": ["csm"]}]}"""),
        ("/apis/aifabric.io/v1alpha1/namespaces/team/coservedmodels", """{"items": []}"""),
    ];

    [Fact]
    public async Task An_API_that_is_down_hides_no_kinds_but_its_own()
    {
        await using WebApplication server = await StartAsync();
        using var client = new ClusterClient(new KubernetesClientConfiguration { Host = server.Urls.First() });
        var found = Assert.Single(await client.GetAsync("csm", null, "team", asTable: false, Cancel));
        Assert.Equal("CoServedModel", found.Kind.Kind);

        CliException unknown = await Assert.ThrowsAsync<CliException>(() => client.GetAsync("podmetrics", null, "team", asTable: false, Cancel));
        Assert.Equal("the server doesn't have a resource type \"podmetrics\", unless it is of metrics.k8s.io/v1beta1, which is unavailable", unknown.Message);
        var entity = new JsonObject { ["apiVersion"] = "metrics.k8s.io/v1beta1", ["kind"] = "PodMetrics", ["metadata"] = new JsonObject { ["name"] = "p" } };
        KubernetesApiException down = await Assert.ThrowsAsync<KubernetesApiException>(() => client.ApplyAsync(entity, "team", Cancel));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, down.StatusCode);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static async Task<WebApplication> StartAsync()
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        WebApplication app = builder.Build();
        foreach ((string path, string body) in Documents)
            app.MapGet(path, () => Results.Text(body, "application/json"));
        app.MapFallback(() => Results.Text("service unavailable", statusCode: StatusCodes.Status503ServiceUnavailable));
        await app.StartAsync(Cancel);
        return app;
    }
}
