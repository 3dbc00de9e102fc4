using System.Text.Json;
using AiFabric.Kube;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using k8s.Models;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Gateways;

/// <summary><see cref="IGatewayDirectory"/> over HTTP: the pods of the gateway's labels, or the URLs of the options.</summary>
internal sealed class GatewayDirectory(
    HttpClient http, IStore<V1Pod> pods, IOptions<OperatorOptions> options, TimeProvider time, OperatorMetrics metrics)
    : IGatewayDirectory, IDisposable
{
    /// <summary>All models of one round of reconciliations share an answer.</summary>
    private static readonly TimeSpan Freshness = TimeSpan.FromMilliseconds(500);

    private readonly SemaphoreSlim _asking = new(1);
    private GatewayView _last = GatewayView.None;
    private DateTimeOffset _asked = DateTimeOffset.MinValue;

    public async Task<GatewayView> AskAsync(CancellationToken cancellationToken)
    {
        await _asking.WaitAsync(cancellationToken);
        try
        {
            DateTimeOffset now = time.GetUtcNow();
            if (now - _asked < Freshness)
                return _last;
            GatewayReplica[] replicas = await Task.WhenAll(Addresses().Select(address => AskOneAsync(address.Name, address.Url, cancellationToken)));
            (_last, _asked) = (new GatewayView(replicas), now);
            return _last;
        }
        finally
        {
            _asking.Release();
        }
    }

    public void Dispose() => _asking.Dispose();

    private IEnumerable<(string Name, string Url)> Addresses()
    {
        OperatorOptions settings = options.Value;
        if (settings.GatewayUrls.Count > 0)
            return settings.GatewayUrls.Select(url => (url, url));
        return pods.List(settings.GatewayNamespace)
            .Where(pod => pod.Metadata.DeletionTimestamp is null && pod.Status?.PodIP is not null
                && pod.Status.Conditions?.Any(condition => condition is { Type: "Ready", Status: "True" }) == true
                && settings.GetGatewayLabels().All(label => pod.Metadata.Labels is { } labels
                    && labels.TryGetValue(label.Key, out string? value) && value == label.Value))
            .OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)
            .Select(pod => (pod.Metadata.Name, $"http://{Host(pod.Status.PodIP)}:{settings.GatewayPort}"));
    }

    private async Task<GatewayReplica> AskOneAsync(string name, string url, CancellationToken cancellationToken)
    {
        try
        {
            using HttpResponseMessage response = await http.GetAsync(new Uri($"{url.TrimEnd('/')}/internal/routes"), cancellationToken);
            if (!response.IsSuccessStatusCode)
                return Failed(name, $"HTTP {(int)response.StatusCode}");
            await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
            RouteReport? report = await JsonSerializer.DeserializeAsync(stream, ControlJson.Default.RouteReport, cancellationToken);
            metrics.GatewayRequests.WithLabels("Ok").Inc();
            return new GatewayReplica(name, report, report is null ? "answered null" : null);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return Failed(name, e is OperationCanceledException ? "no answer in time" : e.Message);
        }
    }

    private GatewayReplica Failed(string name, string error)
    {
        metrics.GatewayRequests.WithLabels("Failed").Inc();
        return new GatewayReplica(name, null, error);
    }

    private static string Host(string ip) => ip.Contains(':', StringComparison.Ordinal) ? $"[{ip}]" : ip;
}
