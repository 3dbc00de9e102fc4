using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging;

namespace AiFabric.Kube;

/// <summary><see cref="IKubernetesClient"/> over the HTTP client, TLS and credentials of <see cref="Kubernetes"/>.</summary>
public sealed class KubernetesClient : IKubernetesClient, IDisposable
{
    private const string Json = "application/json";
    private const string Apply = "application/apply-patch+yaml";
    private const string Merge = "application/merge-patch+json";
    private const int ListPageSize = 500;

    // A server ends what takes a minute; one that is gone without a word would be waited for as long as TCP does, or for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(65);

    private readonly Kubernetes _kubernetes;
    private readonly KubeMetrics _metrics;
    private readonly ILogger<KubernetesClient> _logger;

    /// <param name="configuration">Where the server is and who we are.</param>
    /// <param name="metrics">Counts requests.</param>
    /// <param name="logger">Told of objects that cannot be read.</param>
    /// <param name="handlers">Put before the transport; one that does not pass a request on replaces it (in tests).</param>
    public KubernetesClient(
        KubernetesClientConfiguration configuration, KubeMetrics metrics, ILogger<KubernetesClient> logger, params DelegatingHandler[] handlers)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        _kubernetes = new Kubernetes(configuration, handlers);
        _metrics = metrics;
        _logger = logger;
    }

    /// <inheritdoc/>
    public Uri BaseUri => _kubernetes.BaseUri;

    /// <summary>The clock by which a request that is never answered is given up.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <inheritdoc/>
    public async Task<T?> GetAsync<T>(string name, string? @namespace = null, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        try
        {
            return await SendAsync<T>(HttpMethod.Get, Path<T>(@namespace, name), null, Json, cancellationToken);
        }
        // Without a Status it is the kind that is unknown, and that is the caller's error to hear of.
        catch (KubernetesApiException e) when (e is { IsNotFound: true, Status: not null })
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<T>> ListAsync<T>(
        string? @namespace = null, string? labelSelector = null, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        var items = new List<T>();
        var query = new ListQuery { Namespace = @namespace, LabelSelector = labelSelector, Limit = ListPageSize };
        do
        {
            ResourcePage<T> page = await ListPageAsync<T>(query, cancellationToken);
            items.AddRange(page.Items);
            query = query with { Continue = page.Continue };
        }
        while (query.Continue is not null);
        return items;
    }

    /// <inheritdoc/>
    public async Task<ResourcePage<T>> ListPageAsync<T>(ListQuery query, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ArgumentNullException.ThrowIfNull(query);
        string path = ResourceType.Of<T>().Path(query.Namespace) + QueryString.Of(
            ("labelSelector", query.LabelSelector), ("fieldSelector", query.FieldSelector), ("limit", QueryString.Number(query.Limit)),
            ("continue", query.Continue), ("resourceVersion", query.ResourceVersion));
        using HttpResponseMessage response =
            await SendRawAsync(HttpMethod.Get, path, null, Json, HttpCompletionOption.ResponseContentRead, cancellationToken);
        using JsonDocument document = await ParseAsync(response, cancellationToken);
        var items = new List<T>();
        var unreadable = new List<string>();
        if (document.RootElement.TryGetProperty("items", out JsonElement array) && array.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement element in array.EnumerateArray())
            {
                if (ReadOrSkip<T>(element) is { } item)
                    items.Add(item);
                else if (Text(Metadata(element), "uid") is { } uid)
                    unreadable.Add(uid);
            }
        }
        JsonElement metadata = Metadata(document.RootElement);
        return new(items, Text(metadata, "resourceVersion"), Text(metadata, "continue")) { Unreadable = unreadable };
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<WatchEvent<T>> WatchAsync<T>(
        WatchQuery query, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ArgumentNullException.ThrowIfNull(query);
        string path = ResourceType.Of<T>().Path(query.Namespace) + QueryString.Of(
            ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", query.ResourceVersion),
            ("labelSelector", query.LabelSelector), ("fieldSelector", query.FieldSelector),
            ("timeoutSeconds", QueryString.Number((long?)query.Timeout?.TotalSeconds)));
        using HttpResponseMessage response =
            await SendRawAsync(HttpMethod.Get, path, null, Json, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var reader = new StreamReader(stream);
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            if (line.Length > 0 && WatchFrame.Parse<T>(line, ReadOrSkip<T>) is { } happened)
                yield return happened;
        }
    }

    /// <inheritdoc/>
    public Task<T> CreateAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ArgumentNullException.ThrowIfNull(entity);
        string path = ResourceType.Of<T>().Path(entity.Metadata.NamespaceProperty) + Manager(FieldManagers.Operator);
        return SendAsync<T>(HttpMethod.Post, path, EntityJson.Write(entity), Json, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<T> UpdateAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        SendAsync<T>(HttpMethod.Put, PathOf(entity) + Manager(FieldManagers.Operator), EntityJson.Write(entity), Json, cancellationToken);

    /// <inheritdoc/>
    public Task<T> UpdateStatusAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        SendAsync<T>(
            HttpMethod.Put, PathOf(entity, "status") + Manager(FieldManagers.OperatorStatus), EntityJson.Write(entity), Json, cancellationToken);

    /// <inheritdoc/>
    public Task<T> ApplyAsync<T>(
        T entity, string fieldManager = FieldManagers.Operator, bool force = true, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        SendAsync<T>(
            HttpMethod.Patch, PathOf(entity) + Manager(fieldManager, force), EntityJson.WriteForApply(entity), Apply, cancellationToken);

    /// <inheritdoc/>
    public Task<T> ApplyStatusAsync<T>(
        T entity, string fieldManager = FieldManagers.OperatorStatus, bool force = true, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        SendAsync<T>(
            HttpMethod.Patch, PathOf(entity, "status") + Manager(fieldManager, force), EntityJson.WriteStatusForApply(entity), Apply,
            cancellationToken);

    /// <inheritdoc/>
    public Task<T> PatchAsync<T>(
        string name, string? @namespace, JsonObject mergePatch, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta> =>
        SendAsync<T>(HttpMethod.Patch, Path<T>(@namespace, name) + Manager(FieldManagers.Operator), mergePatch, Merge, cancellationToken);

    /// <inheritdoc/>
    public async Task DeleteAsync<T>(
        string name, string? @namespace = null, DeleteQuery? query = null, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        try
        {
            using HttpResponseMessage response = await SendRawAsync(
                HttpMethod.Delete, Path<T>(@namespace, name), query?.ToOptions(), Json, HttpCompletionOption.ResponseContentRead, cancellationToken);
        }
        catch (KubernetesApiException e) when (e is { IsNotFound: true, Status: not null })
        {
            // Gone already is what was asked for.
        }
    }

    /// <inheritdoc/>
    public Task DeleteAsync<T>(T entity, CancellationToken cancellationToken = default)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ArgumentNullException.ThrowIfNull(entity);
        var query = new DeleteQuery { Uid = entity.Metadata.Uid };
        return DeleteAsync<T>(entity.Metadata.Name, entity.Metadata.NamespaceProperty, query, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => _kubernetes.Dispose();

    private static string Path<T>(string? @namespace, string name)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return ResourceType.Of<T>().Path(@namespace, name);
    }

    private static string PathOf<T>(T entity, string? subresource = null)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ArgumentNullException.ThrowIfNull(entity);
        if (string.IsNullOrEmpty(entity.Metadata?.Name))
            throw new ArgumentException($"The {ResourceType.Of<T>().Kind} has no metadata.name; set it before writing.", nameof(entity));
        return ResourceType.Of<T>().Path(entity.Metadata.NamespaceProperty, entity.Metadata.Name, subresource);
    }

    private static string Manager(string fieldManager, bool? force = null) =>
        QueryString.Of(("fieldManager", fieldManager), ("force", force is { } f ? (f ? "true" : "false") : null));

    private static JsonElement Metadata(JsonElement element) => element.TryGetProperty("metadata", out JsonElement metadata) ? metadata : default;

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value)
        && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
            ? text
            : null;

    private static async Task<JsonDocument> ParseAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await using Stream stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        return await JsonDocument.ParseAsync(stream, default, cancellationToken);
    }

    // One object that does not fit its type (written under an older schema, say) must not blind us to all the others.
    private T? ReadOrSkip<T>(JsonElement element)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        try
        {
            return EntityJson.Read<T>(element);
        }
        catch (JsonException e)
        {
            Log.UnreadableObject(_logger, e, ResourceType.Of<T>().Kind, Text(Metadata(element), "name") ?? "?", e.Path ?? "$");
            return null;
        }
    }

    private async Task<T> SendAsync<T>(
        HttpMethod method, string path, JsonNode? body, string contentType, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        using HttpResponseMessage response =
            await SendRawAsync(method, path, body, contentType, HttpCompletionOption.ResponseContentRead, cancellationToken);
        using JsonDocument document = await ParseAsync(response, cancellationToken);
        return EntityJson.Read<T>(document.RootElement);
    }

    private async Task<HttpResponseMessage> SendRawAsync(
        HttpMethod method, string path, JsonNode? body, string contentType, HttpCompletionOption completion,
        CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(BaseUri.AbsoluteUri.TrimEnd('/') + path));
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(Json));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(contentType);
        }
        if (_kubernetes.Credentials is { } credentials)
            await credentials.ProcessHttpRequestAsync(request, cancellationToken);
        HttpResponseMessage response;
        // A watch is open for long, and whoever reads it knows when it should have been heard of.
        using var late = new CancellationTokenSource(completion == HttpCompletionOption.ResponseContentRead ? Patience : Timeout.InfiniteTimeSpan, Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            response = await _kubernetes.HttpClient.SendAsync(request, completion, either.Token);
        }
        catch (Exception e) when (e is HttpRequestException || (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested))
        {
            _metrics.RestClientRequests.WithLabels("<error>", method.Method).Inc();
            if (e is HttpRequestException)
                throw;
            throw new HttpRequestException($"{method} {path}: no answer within {Patience.TotalSeconds} s", e);
        }
        _metrics.RestClientRequests.WithLabels(QueryString.Number((int)response.StatusCode)!, method.Method).Inc();
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw await FailureAsync(method, path, response, cancellationToken);
    }

    private static async Task<KubernetesApiException> FailureAsync(
        HttpMethod method, string path, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        string text = await response.Content.ReadAsStringAsync(cancellationToken);
        V1Status? status = WatchFrame.ParseStatus(text);
        HttpStatusCode code = response.StatusCode;
        string said = status?.Message ?? (text.Length > 512 ? text[..512] : text).Trim();
        return new(code, status, $"{method} {path}: {(int)code} {status?.Reason ?? code.ToString()}: {said}");
    }
}
