using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using AiFabric.Kube;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;
using Xunit;

namespace AiFabric.Tests.Kube;

public sealed class KubernetesClientTests : IDisposable
{
    private readonly FakeApiServer _server = new();
    private readonly KubeMetrics _metrics = new(Metrics.NewCustomRegistry());
    private readonly KubernetesClient _client;

    public KubernetesClientTests() => _client = _server.Client(_metrics);

    public void Dispose()
    {
        _client.Dispose();
        _server.Dispose();
    }

    [Fact]
    public async Task Object_that_is_not_there_is_null_but_an_unknown_kind_is_an_error()
    {
        Assert.Null(await _client.GetAsync<V1Pod>("a", "ns"));
        _server.FailNext(_ => true, () => new HttpResponseMessage(HttpStatusCode.NotFound) { Content = new StringContent("404 page not found") });
        KubernetesApiException e = await Assert.ThrowsAsync<KubernetesApiException>(() => _client.GetAsync<V1Pod>("a", "ns"));
        Assert.Contains("404 page not found", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Paths_follow_group_namespace_name_and_subresource()
    {
        await _client.CreateAsync(Deployment());
        await _client.UpdateStatusAsync(Deployment());
        await _client.CreateAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = "n" } });
        Assert.Equal(
            ["/apis/apps/v1/namespaces/ns/deployments", "/apis/apps/v1/namespaces/ns/deployments/web/status", "/api/v1/namespaces"],
            _server.Seen().Select(r => r.Path));
    }

    [Fact]
    public async Task Apply_sends_only_what_is_wanted_under_a_stable_manager_by_force()
    {
        V1Deployment wanted = Deployment();
        wanted.Status = new V1DeploymentStatus { Replicas = 3 };
        wanted.Metadata.Uid = "u";
        wanted.Metadata.Generation = 7;
        wanted.Metadata.CreationTimestamp = DateTime.UnixEpoch;
        wanted.Metadata.ManagedFields = [new V1ManagedFieldsEntry { Manager = "x" }];
        await _client.ApplyAsync(wanted);

        FakeRequest request = _server.Seen()[0];
        Assert.Equal(("PATCH", "application/apply-patch+yaml"), (request.Method, request.ContentType));
        Assert.Equal(("aifabric-operator", "true"), (request.Query["fieldManager"], request.Query["force"]));
        Assert.Equal(
            """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"ns"},"spec":{"replicas":2}}""",
            Canonical(request.Json));
    }

    [Fact]
    public async Task Status_is_applied_alone_by_a_manager_of_its_own()
    {
        V1Deployment deployment = await _client.CreateAsync(Deployment());
        deployment.Status = new V1DeploymentStatus { Replicas = 3 };
        await _client.ApplyStatusAsync(deployment);

        FakeRequest request = _server.Seen()[1];
        Assert.Equal(("status", "aifabric-operator-status"), (request.Subresource, request.Query["fieldManager"]));
        Assert.Equal(
            """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"ns"},"status":{"replicas":3}}""",
            Canonical(request.Json));
    }

    [Fact]
    public async Task Update_of_an_outdated_object_is_a_conflict()
    {
        V1Deployment first = await _client.CreateAsync(Deployment());
        await _client.UpdateAsync(first.DeepCopy());
        KubernetesApiException e = await Assert.ThrowsAsync<KubernetesApiException>(() => _client.UpdateAsync(first));
        Assert.True(e.IsConflict);
        Assert.True((await Assert.ThrowsAsync<KubernetesApiException>(() => _client.CreateAsync(Deployment()))).IsAlreadyExists);
    }

    [Fact]
    public async Task Deleting_what_is_gone_succeeds_and_deleting_another_life_of_the_name_does_not()
    {
        await _client.DeleteAsync<V1Deployment>("web", "ns");
        V1Deployment first = await _client.CreateAsync(Deployment());
        await _client.DeleteAsync(first);
        Assert.Null(await _client.GetAsync<V1Deployment>("web", "ns"));

        V1Deployment second = Deployment();
        second.Metadata.Uid = "second-life";
        _server.Put(second);
        Assert.True((await Assert.ThrowsAsync<KubernetesApiException>(() => _client.DeleteAsync(first))).IsConflict);
        Assert.NotNull(await _client.GetAsync<V1Deployment>("web", "ns"));
    }

    [Theory]
    [InlineData("""{"replicas":"many"}""")]
    [InlineData("""{"template":{"spec":{"volumes":[{"name":"tmp","emptyDir":{"sizeLimit":"20GB"}}]}}}""")]
    [InlineData("""{"template":{"metadata":{"creationTimestamp":"yesterday"}}}""")]
    [InlineData("""{"strategy":{"rollingUpdate":{"maxSurge":true}}}""")]
    public async Task Object_that_does_not_fit_its_type_is_left_out_of_the_list(string spec)
    {
        _server.FailNext(r => r.IsList, () => Json(
            $$$"""{"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"bad","uid":"u"},"spec":{{{spec}}}},{"metadata":{"name":"good"}}]}"""));
        ResourcePage<V1Deployment> page = await _client.ListPageAsync<V1Deployment>(new ListQuery(), default);
        Assert.Equal("good", Assert.Single(page.Items).Metadata.Name);
        Assert.Equal(["u"], page.Unreadable);
    }

    [Fact]
    public async Task Answer_that_is_no_json_is_an_error_and_a_watch_line_that_is_none_ends_the_watch()
    {
        _server.FailNext(_ => true, () => Json("<html>"));
        await Assert.ThrowsAnyAsync<System.Text.Json.JsonException>(() => _client.ListAsync<V1Deployment>());
        _server.FailNext(_ => true, () => Json("{\"no\":1}\n"));
        await Assert.ThrowsAnyAsync<System.Text.Json.JsonException>(async () =>
        {
            await foreach (WatchEvent<V1Deployment> _ in _client.WatchAsync<V1Deployment>(new WatchQuery { ResourceVersion = "1" }, default))
                Assert.Fail("There was no event.");
        });
    }

    [Fact]
    public async Task Requests_are_counted_by_code_and_method()
    {
        await _client.GetAsync<V1Pod>("a", "ns");
        _server.FailNext(_ => true, () => throw new HttpRequestException("refused"));
        await Assert.ThrowsAsync<HttpRequestException>(() => _client.GetAsync<V1Pod>("a", "ns"));
        Assert.Equal(1, _metrics.RestClientRequests.WithLabels("404", "GET").Value);
        Assert.Equal(1, _metrics.RestClientRequests.WithLabels("<error>", "GET").Value);
    }

    [Fact]
    public async Task Request_that_is_never_answered_is_given_up_and_a_watch_is_not()
    {
        var time = new ObservedTime();
        using var silent = new Silent();
        var configuration = new KubernetesClientConfiguration { Host = "http://fake.invalid" };
        using var client = new KubernetesClient(configuration, _metrics, NullLogger<KubernetesClient>.Instance, silent, _server) { Time = time };
        Task<V1Pod?> asked = client.GetAsync<V1Pod>("a", "ns");
        await time.WaitForDelayAsync(TimeSpan.FromSeconds(65));
        time.Advance(TimeSpan.FromSeconds(65));
        HttpRequestException e = await Assert.ThrowsAsync<HttpRequestException>(() => asked);
        Assert.Equal("GET /api/v1/namespaces/ns/pods/a: no answer within 65 s", e.Message);
        Assert.Equal(1, _metrics.RestClientRequests.WithLabels("<error>", "GET").Value);

        var watch = new WatchQuery { ResourceVersion = "1" };
        await using IAsyncEnumerator<WatchEvent<V1Deployment>> events = client.WatchAsync<V1Deployment>(watch, default).GetAsyncEnumerator();
        Task<bool> next = events.MoveNextAsync().AsTask();
        await Until.TrueAsync(() => _server.OpenWatches == 1);
        time.Advance(TimeSpan.FromHours(1));
        _server.Put(Deployment());
        Assert.True(await next);
    }

    [Fact]
    public async Task Token_goes_with_every_request()
    {
        string? authorization = null;
        using var spy = new Spy(request => authorization = request.Headers.Authorization?.ToString());
        spy.InnerHandler = _server;
        using var client = new KubernetesClient(
            new KubernetesClientConfiguration { Host = "http://fake.invalid/prefix", AccessToken = "secret" }, _metrics,
            NullLogger<KubernetesClient>.Instance, spy, _server);
        await client.ListAsync<V1Pod>();
        Assert.Equal("Bearer secret", authorization);
        Assert.StartsWith("/prefix/api/v1/pods", _server.Seen()[0].Path, StringComparison.Ordinal);
    }

    [Fact]
    public void Type_without_a_kind_is_refused_with_the_fix_named() => Assert.Contains(
        "KubernetesEntity", Assert.Throws<InvalidOperationException>(ResourceType.Of<Nameless>).Message, StringComparison.Ordinal);

    private static V1Deployment Deployment() => new()
    {
        Metadata = new V1ObjectMeta { Name = "web", NamespaceProperty = "ns" },
        Spec = new V1DeploymentSpec { Replicas = 2 },
    };

    private static HttpResponseMessage Json(string body) =>
        new(HttpStatusCode.OK) { Content = new StringContent(body, Encoding.UTF8, "application/json") };

    private static string Canonical(JsonNode node) => node switch
    {
        JsonObject o => "{" + string.Join(',', o.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"\"{p.Key}\":{Canonical(p.Value!)}")) + "}",
        _ => node.ToJsonString(),
    };

    /// <summary>Answers watches only.</summary>
    private sealed class Silent : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.RequestUri?.Query.Contains("watch=true", StringComparison.Ordinal) != true)
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return await base.SendAsync(request, cancellationToken);
        }
    }

    private sealed class Nameless : IKubernetesObject<V1ObjectMeta>
    {
        public string ApiVersion { get; set; } = "";

        public string Kind { get; set; } = "";

        public V1ObjectMeta Metadata { get; set; } = new();
    }

    private sealed class Spy(Action<HttpRequestMessage> look) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            look(request);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
