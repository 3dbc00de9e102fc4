using System.Net;
using AiFabric.Protocol;
using AiFabric.Protocol.Gateway;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Routing;

/// <summary>Asks a worker what it serves, and how busy it is.</summary>
public sealed class WorkerClient(HttpClient http)
{
    /// <summary>Long enough for a worker whose cores are all in one iteration.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <summary>Adapters of <paramref name="pod"/>, sorted; null when the worker does not serve the pod's model (yet).</summary>
    /// <exception cref="HttpRequestException">The worker could not be reached or answered with an error.</exception>
    /// <exception cref="IOException">Its answer broke off.</exception>
    /// <exception cref="System.Text.Json.JsonException">Its answer is no model list.</exception>
    /// <exception cref="OperationCanceledException">It did not answer within <see cref="Timeout"/>.</exception>
    public async Task<IReadOnlyList<string>?> ListAdaptersAsync(WorkerPod pod, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Timeout);
        ModelList? list = await http.GetFromJsonAsync(
            new Uri(pod.Address, "/v1/models"), OpenAIJson.Default.ModelList, deadline.Token);
        if (list?.Data.Any(m => m.Id == pod.ServedName) != true)
            return null;

        return [.. list.Data.Select(m => ModelName.Parse(m.Id))
            .Where(m => m.Name == pod.ServedName && m.Adapter is not null)
            .Select(m => m.Adapter!) // filtered for null one line up
            .Order(StringComparer.Ordinal)];
    }

    /// <summary>Load and cache of <paramref name="pod"/>, as they differ from <paramref name="cursor"/>; null when the worker tells of neither.</summary>
    /// <exception cref="HttpRequestException">The worker could not be reached or answered with an error.</exception>
    /// <exception cref="IOException">Its answer broke off.</exception>
    /// <exception cref="System.Text.Json.JsonException">Its answer is no report.</exception>
    /// <exception cref="OperationCanceledException">It did not answer within <see cref="Timeout"/>.</exception>
    public async Task<WorkerLoad?> ReadLoadAsync(WorkerPod pod, string? cursor, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Timeout);
        using HttpResponseMessage answer = await http.GetAsync(
            new Uri(pod.Address, cursor is null ? "/load" : $"/load?since={Uri.EscapeDataString(cursor)}"), deadline.Token);
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return null;
        return await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync(ControlJson.Default.WorkerLoad, deadline.Token);
    }
}
