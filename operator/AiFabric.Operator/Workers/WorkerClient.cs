using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using AiFabric.Crds.Common;
using AiFabric.Kube;
using AiFabric.Operator.Conditions;
using AiFabric.Protocol;
using AiFabric.Protocol.Control;
using AiFabric.Protocol.OpenAI;
using Microsoft.Extensions.Options;

namespace AiFabric.Operator.Workers;

/// <summary><see cref="IWorkerClient"/> over HTTP, with the model's bearer token.</summary>
/// <param name="http">Client without a base address and without a timeout of its own.</param>
/// <param name="tokens">Where the bearer tokens are.</param>
/// <param name="options">How long a request may take.</param>
/// <param name="time">The clock of timeouts.</param>
/// <param name="metrics">Counts requests.</param>
internal sealed class WorkerClient(
    HttpClient http, ControlTokens tokens, IOptions<OperatorOptions> options, TimeProvider time, OperatorMetrics metrics) : IWorkerClient
{
    public Task<WorkerReply<LoadReport>> GetLoadAsync(WorkerPod pod, CancellationToken cancellationToken) =>
        SendAsync(pod, HttpMethod.Get, "control/load", null, ControlJson.Default.LoadReport, cancellationToken);

    public Task<WorkerReply<AdapterList>> ListAdaptersAsync(WorkerPod pod, CancellationToken cancellationToken) =>
        SendAsync(pod, HttpMethod.Get, "control/adapters", null, ControlJson.Default.AdapterList, cancellationToken);

    public Task<WorkerReply<AdapterStatus>> PutAdapterAsync(
        WorkerPod pod, string name, AdapterRequest request, CancellationToken cancellationToken) =>
        SendAsync(
            pod, HttpMethod.Put, $"control/adapters/{name}", JsonSerializer.Serialize(request, ControlJson.Default.AdapterRequest),
            ControlJson.Default.AdapterStatus, cancellationToken);

    public Task<WorkerReply<Nothing>> DeleteAdapterAsync(WorkerPod pod, string name, CancellationToken cancellationToken) =>
        SendAsync<Nothing>(pod, HttpMethod.Delete, $"control/adapters/{name}", null, null, cancellationToken);

    public Task<WorkerReply<TrainingStatus>> PutTrainingAsync(
        WorkerPod pod, string uid, TrainingRequest request, CancellationToken cancellationToken) =>
        SendAsync(
            pod, HttpMethod.Put, $"control/training/{uid}", JsonSerializer.Serialize(request, ControlJson.Default.TrainingRequest),
            ControlJson.Default.TrainingStatus, cancellationToken);

    public Task<WorkerReply<TrainingStatus>> GetTrainingAsync(WorkerPod pod, string uid, CancellationToken cancellationToken) =>
        SendAsync(pod, HttpMethod.Get, $"control/training/{uid}", null, ControlJson.Default.TrainingStatus, cancellationToken);

    public Task<WorkerReply<Nothing>> DeleteTrainingAsync(WorkerPod pod, string uid, CancellationToken cancellationToken) =>
        SendAsync<Nothing>(pod, HttpMethod.Delete, $"control/training/{uid}", null, null, cancellationToken);

    private async Task<WorkerReply<T>> SendAsync<T>(
        WorkerPod pod, HttpMethod method, string path, string? body, JsonTypeInfo<T>? answer, CancellationToken cancellationToken)
        where T : class
    {
        WorkerReply<T> reply;
        OperatorOptions settings = options.Value;
        using var late = new CancellationTokenSource(
            TimeSpan.FromSeconds(method == HttpMethod.Put ? settings.PutTimeoutSeconds : settings.RequestTimeoutSeconds), time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            reply = await AskAsync(pod, method, path, body, answer, either.Token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException or KubernetesApiException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            string why = e is OperationCanceledException ? "no answer in time" : e.Message;
            reply = new(WorkerOutcome.Unreachable, Message: $"pod {pod.Name}: {Check.Quote(why)}");
        }
        metrics.WorkerRequests.WithLabels(method.Method, reply.Outcome.ToString()).Inc();
        return reply;
    }

    private async Task<WorkerReply<T>> AskAsync<T>(
        WorkerPod pod, HttpMethod method, string path, string? body, JsonTypeInfo<T>? answer, CancellationToken cancellationToken)
        where T : class
    {
        string? token = await tokens.FindAsync(pod.Namespace, pod.Model, cancellationToken);
        if (token is null)
            return new(WorkerOutcome.Unreachable, Message: $"Secret {ControlTokens.SecretName(pod.Model)} with the control token is missing");
        using var request = new HttpRequestMessage(method, BaseUri(pod, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using HttpResponseMessage response = await http.SendAsync(request, cancellationToken);
        if (!response.IsSuccessStatusCode)
            return await RefusalAsync<T>(pod, response, cancellationToken);
        if (answer is null)
            return new(WorkerOutcome.Ok, Nothing.Instance as T);
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        T? value = await JsonSerializer.DeserializeAsync(stream, answer, cancellationToken);
        return value is null
            ? new(WorkerOutcome.Unreachable, Message: $"pod {pod.Name}: answered null to {path}")
            : new(WorkerOutcome.Ok, value);
    }

    private async Task<WorkerReply<T>> RefusalAsync<T>(WorkerPod pod, HttpResponseMessage response, CancellationToken cancellationToken)
        where T : class
    {
        ErrorBody? error = ReadError(await response.Content.ReadAsStringAsync(cancellationToken));
        string message = $"pod {pod.Name}: {Check.Quote(error?.Message ?? $"HTTP {(int)response.StatusCode}")}";
        switch (response.StatusCode)
        {
            case HttpStatusCode.NotFound:
                return new(WorkerOutcome.NotFound, Message: message, Status: response.StatusCode);
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden:
                tokens.Forget(pod.Namespace, pod.Model);
                return new(WorkerOutcome.Unreachable, Message: message, Status: response.StatusCode);
            case HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError:
                return new(WorkerOutcome.Unreachable, Message: message, Status: response.StatusCode);
            default:
                return new(WorkerOutcome.Rejected, Reason: CamelCase(error?.Code), Message: message, Status: response.StatusCode);
        }
    }

    private static Uri BaseUri(WorkerPod pod, string path)
    {
        string host = pod.Ip is { } ip && ip.Contains(':', StringComparison.Ordinal) ? $"[{ip}]" : pod.Ip ?? string.Empty;
        int port = pod.Spec?.Containers?.FirstOrDefault(container => container.Name == WorkerPod.ContainerName)?.Ports?
            .FirstOrDefault(candidate => candidate.Name == Ports.Control)?.ContainerPort ?? Ports.ControlNumber;
        return Uri.TryCreate($"http://{host}:{port}/{path}", UriKind.Absolute, out Uri? uri)
            ? uri
            : throw new HttpRequestException($"'{pod.Ip}' is no address");
    }

    private static ErrorBody? ReadError(string text)
    {
        try
        {
            return JsonSerializer.Deserialize(text, OpenAIJson.Default.ErrorResponse)?.Error;
        }
        catch (JsonException)
        {
            return null; // Not the worker's own shape (a proxy's page, say): the status has to do.
        }
    }

    /// <summary>A condition's reason must be CamelCase: invalid_adapter and InvalidAdapter both are InvalidAdapter.</summary>
    private static string? CamelCase(string? code) => string.IsNullOrWhiteSpace(code)
        ? null
        : string.Concat(code.Split('_', '-', ' ').Where(part => part.Length > 0).Select(part => char.ToUpperInvariant(part[0]) + part[1..]));
}
