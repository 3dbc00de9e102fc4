using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiFabric.Kube;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Gateways;

/// <summary><see cref="IGatewayDirectory"/> over HTTP: the pods of the gateway's labels, or the URLs of the options.</summary>
internal sealed class GatewayDirectory : IGatewayDirectory, IDisposable
{
    private static readonly TimeSpan RouteFreshness = TimeSpan.FromMilliseconds(500);

    /// <summary>Less than the time between two looks of <see cref="Models.DemandPoller"/>, so that each look asks.</summary>
    private static readonly TimeSpan DemandFreshness = TimeSpan.FromMilliseconds(300);

    /// <summary>One silent gateway must not keep demand that others report from waking a model for long.</summary>
    private static readonly TimeSpan DemandPatience = TimeSpan.FromSeconds(2);

    private readonly HttpClient _http;
    private readonly IStore<V1Pod> _pods;
    private readonly OperatorOptions _options;
    private readonly TimeProvider _time;
    private readonly OperatorMetrics _metrics;
    private readonly SharedAnswer<GatewayView> _routes;
    private readonly SharedAnswer<DemandView> _demand;

    public GatewayDirectory(HttpClient http, IStore<V1Pod> pods, IOptions<OperatorOptions> options, TimeProvider time, OperatorMetrics metrics)
    {
        (_http, _pods, _options, _time, _metrics) = (http, pods, options.Value, time, metrics);
        _routes = new SharedAnswer<GatewayView>(AskRoutesAsync, RouteFreshness, time);
        _demand = new SharedAnswer<DemandView>(SumDemandAsync, DemandFreshness, time);
    }

    public Task<GatewayView> AskAsync(CancellationToken cancellationToken) => _routes.GetAsync(cancellationToken);

    public Task<DemandView> AskDemandAsync(CancellationToken cancellationToken) => _demand.GetAsync(cancellationToken);

    public async Task<IReadOnlyList<PlacedOrder>> AskOrdersAsync(CancellationToken cancellationToken)
    {
        // One that keeps no files answers 404.
        (string Url, FinetuneOrders? Orders)[] answers = await Task.WhenAll(Addresses(IsReady).Select(async gateway =>
            (gateway.Url, (await AskOneAsync(gateway, "/internal/finetuning", ControlJson.Default.FinetuneOrders, cancellationToken)).Report)));
        cancellationToken.ThrowIfCancellationRequested();
        return [.. answers.SelectMany(answer => (answer.Orders?.Orders ?? []).Select(order => new PlacedOrder(answer.Url, order))).DistinctBy(placed => placed.Order.Id)];
    }

    public async Task RefuseAsync(PlacedOrder placed, string message, CancellationToken cancellationToken)
    {
        var address = new Uri($"{placed.Gateway.TrimEnd('/')}/internal/finetuning/{placed.Order.Id}/refusal");
        using HttpResponseMessage response = await _http.PostAsJsonAsync(address, new OrderRefusal { Message = message }, ControlJson.Default.OrderRefusal, cancellationToken);
    }

    public void Dispose()
    {
        _routes.Dispose();
        _demand.Dispose();
    }

    private async Task<GatewayView> AskRoutesAsync(CancellationToken cancellationToken)
    {
        // A pod that is not ready gets no requests, so its routes matter to nobody.
        (string Name, RouteReport? Report, string? Error)[] answers = await Task.WhenAll(
            Addresses(IsReady).Select(gateway => AskOneAsync(gateway, "/internal/routes", ControlJson.Default.RouteReport, cancellationToken)));
        cancellationToken.ThrowIfCancellationRequested();
        return new GatewayView([.. answers.Select(answer => new GatewayReplica(answer.Name, answer.Report, answer.Error))]);
    }

    private async Task<DemandView> SumDemandAsync(CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(DemandPatience);
        // A pod that runs without being ready may still hold requests and stream answers. So may one that leaves.
        var staying = AskAllAsync(Addresses(IsRunning));
        var leaving = AskAllAsync(LeavingAddresses());
        await Task.WhenAll(staying, leaving);
        cancellationToken.ThrowIfCancellationRequested();
        return DemandView.Sum(await staying, [.. (await leaving).Select(answer => answer.Report).OfType<DemandReport>()]);

        Task<(string Name, DemandReport? Report, string? Error)[]> AskAllAsync(IEnumerable<(string Name, string Url)> gateways) => Task.WhenAll(
            gateways.Select(gateway => AskOneAsync(gateway, "/internal/demand", ControlJson.Default.DemandReport, deadline.Token)));
    }

    private IEnumerable<(string Name, string Url)> Addresses(Func<V1Pod, bool> counts) => _options.GatewayUrls.Count > 0
        ? _options.GatewayUrls.Select(url => (url, url))
        : PodAddresses(pod => pod.Metadata.DeletionTimestamp is null && counts(pod));

    /// <summary>Gateways that end their last requests. After its grace period none has any, though the pod of a lost node is there for long.</summary>
    private IEnumerable<(string Name, string Url)> LeavingAddresses() => _options.GatewayUrls.Count > 0
        ? []
        : PodAddresses(pod => pod.Metadata.DeletionTimestamp is { } end && end.ToUniversalTime() > _time.GetUtcNow().UtcDateTime && IsRunning(pod));

    private IEnumerable<(string Name, string Url)> PodAddresses(Func<V1Pod, bool> counts) => _pods.List(_options.GatewayNamespace)
        .Where(pod => pod.Status?.PodIP is not null && counts(pod)
            && _options.GetGatewayLabels().All(label => pod.Metadata.Labels is { } labels
                && labels.TryGetValue(label.Key, out string? value) && value == label.Value))
        .OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)
        .Select(pod => (pod.Metadata.Name, $"http://{Host(pod.Status.PodIP)}:{_options.GatewayPort}"));

    private static bool IsReady(V1Pod pod) => pod.Status.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true;

    private static bool IsRunning(V1Pod pod) => IsReady(pod) || pod.Status.ContainerStatuses?.Any(container => container.State?.Running is not null) == true;

    private async Task<(string Name, T? Report, string? Error)> AskOneAsync<T>(
        (string Name, string Url) gateway, string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            using HttpResponseMessage response = await _http.GetAsync(new Uri($"{gateway.Url.TrimEnd('/')}{path}"), cancellationToken);
            if (response.StatusCode == HttpStatusCode.NotFound)
                return (gateway.Name, null, "HTTP 404");
            if (!response.IsSuccessStatusCode)
                return Failed($"HTTP {(int)response.StatusCode}");
            await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            T? report = await JsonSerializer.DeserializeAsync(stream, type, cancellationToken);
            _metrics.GatewayRequests.WithLabels("Ok").Inc();
            return (gateway.Name, report, report is null ? "answered null" : null);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException or OperationCanceledException)
        {
            return Failed(e is OperationCanceledException ? "no answer in time" : e.Message);
        }

        (string, T?, string) Failed(string error)
        {
            _metrics.GatewayRequests.WithLabels("Failed").Inc();
            return (gateway.Name, null, error);
        }
    }

    private static string Host(string ip) => ip.Contains(':', StringComparison.Ordinal) ? $"[{ip}]" : ip;
}
