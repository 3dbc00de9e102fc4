using System.Diagnostics;
using System.Net;
using AiFabric.Crds.CoServedModels;
using AiFabric.Kube;
using AiFabric.Protocol;
using k8s.Models;

namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>
/// Compares, several times a second, what a model's status says with what its workers and the gateways say themselves. While the API server is
/// away nobody can read the status, so nothing is counted.
/// </summary>
internal sealed class HonestyMonitor(IKubernetesClient client, string space, string model, string gatewaySpace) : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(1) };
    private readonly CancellationTokenSource _end = new();
    private Task<Honesty>? _watching;

    public void Start() => _watching = WatchAsync(_end.Token);

    public async Task<Honesty> StopAsync()
    {
        await _end.CancelAsync();
        return _watching is null ? default : await _watching;
    }

    public void Dispose()
    {
        _end.Dispose();
        _http.Dispose();
    }

    private async Task<Honesty> WatchAsync(CancellationToken cancellationToken)
    {
        var total = default(Honesty);
        var clock = Stopwatch.StartNew();
        using var timer = new PeriodicTimer(Period);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                (bool isFalse, bool isStale) = await LookAsync(cancellationToken);
                if (isFalse || isStale)
                {
                    // What changed while we looked is no lie: it must still be so.
                    (bool again, bool staleAgain) = await LookAsync(cancellationToken);
                    (isFalse, isStale) = (isFalse && again, isStale && staleAgain);
                }
                double seconds = clock.Elapsed.TotalSeconds;
                clock.Restart();
                total = new Honesty(
                    total.FalseReadySeconds + (isFalse ? seconds : 0), total.StaleSeconds + (isStale ? seconds : 0), total.Samples + 1);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Asked to stop.
        }
        return total;
    }

    private async Task<(bool IsFalse, bool IsStale)> LookAsync(CancellationToken cancellationToken)
    {
        try
        {
            // A look that takes too long would tell of two moments.
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(TimeSpan.FromSeconds(2));
            string[] answering = await AnsweringAsync(limit.Token);
            string[] routed = await RoutedAsync(limit.Token);
            CoServedModel? said = await client.GetAsync<CoServedModel>(model, space, limit.Token);
            bool ready = said?.Status?.Conditions?.Any(condition => condition is { Type: CoServedModelConditions.Ready, Status: "True" }) == true;
            return (ready && !answering.Intersect(routed).Any(), said?.Status?.ReadyReplicas > answering.Length);
        }
        catch (Exception e) when (e is HttpRequestException or KubernetesApiException or IOException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return (false, false);
        }
    }

    /// <summary>Pods, by uid, whose worker takes requests, by its own word. One that lingers before it stops still does.</summary>
    private async Task<string[]> AnsweringAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<V1Pod> pods = await client.ListAsync<V1Pod>(space, $"aifabric.io/model={model}", cancellationToken: cancellationToken);
        string?[] answers = await Task.WhenAll(pods.Where(pod => pod.Status?.PodIP is not null).Select(async pod =>
            await GetAsync($"http://{pod.Status.PodIP}:8000/ready", cancellationToken) is not null ? pod.Metadata.Uid : null));
        return [.. answers.OfType<string>()];
    }

    /// <summary>Pods, by uid, that at least one gateway routes to.</summary>
    private async Task<string[]> RoutedAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<V1Pod> gateways = await client.ListAsync<V1Pod>(
            gatewaySpace, "app.kubernetes.io/component=gateway", cancellationToken: cancellationToken);
        string?[] reports = await Task.WhenAll(gateways.Where(pod => pod.Status?.PodIP is not null)
            .Select(pod => GetAsync($"http://{pod.Status.PodIP}:8081/internal/routes", cancellationToken)));
        return
        [
            .. reports.OfType<string>()
                .SelectMany(report => System.Text.Json.JsonSerializer.Deserialize(report, ControlJson.Default.RouteReport)!.Routes) // Never the word null.
                .Where(route => route.Model == model)
                .Select(route => route.PodUid),
        ];
    }

    private async Task<string?> GetAsync(string url, CancellationToken cancellationToken)
    {
        try
        {
            using HttpResponseMessage response = await _http.GetAsync(new Uri(url), cancellationToken);
            return response.StatusCode == HttpStatusCode.OK ? await response.Content.ReadAsStringAsync(cancellationToken) : null;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }
}
