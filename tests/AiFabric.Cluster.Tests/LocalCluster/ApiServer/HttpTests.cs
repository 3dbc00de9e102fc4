using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Hosting;
using AiFabric.LocalCluster.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace AiFabric.Cluster.Tests.LocalCluster.ApiServer;

/// <summary>The wire: token, statuses, limits and the watch stream.</summary>
public sealed class HttpTests : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("aifabric-http-");
    private readonly HttpClientHandler _handler = new() { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator };
    private WebApplication _app = null!;
    private HttpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _app = LocalClusterHost.Build(new() { DataDirectory = _folder.FullName, Port = 0, RunControllers = false, RunNode = false });
        await _app.StartAsync();
        var access = _app.Services.GetRequiredService<ClusterAccess>();
        _client = new(_handler) { BaseAddress = access.Server };
        _client.DefaultRequestHeaders.Authorization = new("Bearer", access.Token);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        _handler.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData("/healthz", HttpStatusCode.OK)]
    [InlineData("/readyz", HttpStatusCode.OK)]
    [InlineData("/version", HttpStatusCode.OK)]
    [InlineData("/api/v1/pods", HttpStatusCode.Unauthorized)]
    [InlineData("/apis", HttpStatusCode.Unauthorized)]
    public async Task Only_health_and_version_are_open(string path, HttpStatusCode expected)
    {
        _client.DefaultRequestHeaders.Authorization = new("Bearer", "wrong");
        Assert.Equal(expected, (await _client.GetAsync(path)).StatusCode);
    }

    [Theory]
    [InlineData("{", 400)]
    [InlineData("[]", 400)]
    [InlineData("""{"metadata":{"name":"a"},"data":{"x":1}}""", 400)]
    [InlineData("""{"metadata":{"name":"a","name":"b"}}""", 400)]
    [InlineData("""{"kind":"Pod","metadata":{"name":"a"}}""", 400)]
    [InlineData("""{"metadata":{}}""", 422)]
    public async Task Malformed_bodies_are_refused_with_a_status(string body, int code)
    {
        var answer = await PostAsync("/api/v1/namespaces/default/configmaps", body);
        var status = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.Equal((code, "Status"), ((int)answer.StatusCode, status["kind"]!.GetValue<string>()));
        Assert.Equal(code, status["code"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("exec")]
    [InlineData("attach")]
    [InlineData("portforward")]
    public async Task What_leads_into_a_pod_is_refused_with_the_way_there(string what)
    {
        var answer = await PostAsync($"/api/v1/namespaces/default/pods/p/{what}", "");
        var status = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        Assert.StartsWith($"the local cluster has no {what}: its pods are processes of this machine", status["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_of_ten_megabytes_is_too_large()
    {
        var body = "{\"metadata\":{\"name\":\"a\"},\"data\":{\"x\":\"" + new string('x', 10_000_000) + "\"}}";
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, (await PostAsync("/api/v1/namespaces/default/configmaps", body)).StatusCode);
    }

    [Fact]
    public async Task A_watch_starts_with_what_is_there_and_ends_with_its_timeout()
    {
        await PostAsync("/api/v1/namespaces/default/configmaps", """{"metadata":{"name":"a"}}""");
        var lines = (await _client.GetStringAsync("/api/v1/configmaps?watch=true&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"))
            .Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!).ToArray();
        Assert.Equal(["ADDED", "BOOKMARK"], lines.Select(line => line["type"]!.GetValue<string>()));
        Assert.Equal("true", lines[1]["object"]!["metadata"]!["annotations"]!["k8s.io/initial-events-end"]!.GetValue<string>());
    }

    [Fact]
    public async Task Lists_come_in_pages()
    {
        foreach (var name in (string[])["a", "b", "c"])
            await PostAsync("/api/v1/namespaces/default/configmaps", $$"""{"metadata":{"name":"{{name}}"} }""");
        var first = JsonNode.Parse(await _client.GetStringAsync("/api/v1/configmaps?limit=2"))!;
        Assert.Equal(1, first["metadata"]!["remainingItemCount"]!.GetValue<int>());
        var token = Uri.EscapeDataString(first["metadata"]!["continue"]!.GetValue<string>());
        var second = JsonNode.Parse(await _client.GetStringAsync($"/api/v1/configmaps?limit=2&continue={token}"))!;
        Assert.Equal(["c"], second["items"]!.AsArray().Select(one => one!["metadata"]!["name"]!.GetValue<string>()));
    }

    [Fact]
    public void Secrets_of_the_server_are_readable_by_their_owner_only()
    {
        if (OperatingSystem.IsWindows())
            return;
        foreach (var file in (string[])["token", "kubeconfig", "pki/server.key"])
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_folder.FullName, file)));
    }

    private Task<HttpResponseMessage> PostAsync(string path, string body) =>
        _client.PostAsync(path, new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json")));
}
