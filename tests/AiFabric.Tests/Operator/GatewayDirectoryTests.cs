using System.Net;
using System.Net.Http.Json;
using AiFabric.Kube;
using AiFabric.Operator;
using AiFabric.Operator.Gateways;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Prometheus;
using Xunit;

namespace AiFabric.Tests.Operator;

public sealed class GatewayDirectoryTests : IDisposable
{
    private static readonly NamespacedName Demo = new(Make.Space, "demo");

    private readonly FakeTimeProvider _time = new(Make.Now);
    private readonly Pods _pods = new(Gateway("a", "10.0.0.1"), Gateway("b", "10.0.0.2"));
    private readonly Answers _answers = new();
    private readonly HttpClient _http;
    private readonly GatewayDirectory _directory;

    public GatewayDirectoryTests()
    {
        _http = new HttpClient(_answers);
        _directory = new(_http, _pods, Options.Create(new OperatorOptions()), _time, new OperatorMetrics(Metrics.NewCustomRegistry()));
        _answers.Demands["10.0.0.1"] = Make.Demand(requests: 0, held: 0, average: 0, idle: null);
        _answers.Demands["10.0.0.2"] = Make.Demand(requests: 1, held: 0, average: 1, idle: 0);
    }

    public void Dispose()
    {
        _directory.Dispose();
        _http.Dispose();
        _answers.Dispose();
    }

    [Fact]
    public async Task A_gateway_that_drains_tells_its_demand_until_it_is_silent()
    {
        _pods[1].Metadata.DeletionTimestamp = Make.Now.AddMinutes(6).UtcDateTime;
        Assert.Equal((1, true), await AskAsync());

        _answers.Demands.Remove("10.0.0.2");
        Assert.Equal((0, true), await AskAsync());
    }

    [Fact]
    public async Task A_gateway_whose_time_to_drain_is_over_is_not_asked()
    {
        _pods[1].Metadata.DeletionTimestamp = Make.Now.AddMinutes(-1).UtcDateTime;
        Assert.Equal((0, true), await AskAsync());
        Assert.DoesNotContain("10.0.0.2", _answers.Asked);
    }

    [Fact]
    public async Task Without_another_gateway_one_that_drains_does_not_tell_all_of_the_demand()
    {
        _pods[0].Status.ContainerStatuses = [];
        _pods[1].Metadata.DeletionTimestamp = Make.Now.AddMinutes(6).UtcDateTime;
        Assert.Equal((1, false), await AskAsync());
    }

    [Fact]
    public async Task A_gateway_that_stays_and_is_silent_makes_the_demand_incomplete()
    {
        _answers.Demands.Remove("10.0.0.2");
        Assert.Equal((0, false), await AskAsync());
    }

    /// <summary>Later than what was asked last stays fresh.</summary>
    private async Task<(int Requests, bool Complete)> AskAsync()
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        DemandView demand = await _directory.AskDemandAsync(TestContext.Current.CancellationToken);
        return (demand.Of(Demo).Requests, demand.Complete.Holds);
    }

    /// <summary>A pod that runs and is not ready, as one that drains is.</summary>
    private static V1Pod Gateway(string name, string ip) => new()
    {
        Metadata = new V1ObjectMeta
        {
            Name = name,
            NamespaceProperty = "aifabric-system",
            Labels = new Dictionary<string, string> { ["app.kubernetes.io/name"] = "aifabric-gateway" },
        },
        Status = new V1PodStatus
        {
            PodIP = ip,
            ContainerStatuses = [new V1ContainerStatus { Name = "gateway", State = new V1ContainerState { Running = new V1ContainerStateRunning() } }],
        },
    };

    private sealed class Pods(params V1Pod[] pods) : IStore<V1Pod>
    {
        public V1Pod this[int index] => pods[index];

        public bool HasSynced => true;

        public int Count => pods.Length;

        public V1Pod? Get(NamespacedName key) => throw new NotSupportedException();

        public IReadOnlyList<V1Pod> List(string? @namespace = null) => [.. pods.Where(pod => pod.Metadata.NamespaceProperty == @namespace)];

        public IReadOnlyList<V1Pod> ByIndex(string index, string value) => throw new NotSupportedException();

        public int CountByIndex(string index, string value) => throw new NotSupportedException();
    }

    /// <summary>What gateways answer, by address; one that is missing refuses the connection.</summary>
    private sealed class Answers : HttpMessageHandler
    {
        public Dictionary<string, DemandReport> Demands { get; } = [];

        public List<string> Asked { get; } = [];

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Assert.Equal(("/internal/demand", 8081), (request.RequestUri!.AbsolutePath, request.RequestUri.Port)); // HttpClient sends none without.
            Asked.Add(request.RequestUri.Host);
            return Demands.TryGetValue(request.RequestUri.Host, out DemandReport? report)
                ? Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = JsonContent.Create(report, ControlJson.Default.DemandReport) })
                : throw new HttpRequestException("connection refused");
        }
    }
}
