using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using AiFabric.Kube;
using k8s;

namespace AiFabric.Cli.Cluster;

/// <summary>Applies and reads objects of any kind the server knows; kinds are found by discovery, as kubectl does.</summary>
public sealed class ClusterClient : IDisposable
{
    private const string Table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    private readonly Kubernetes _kubernetes;
    private readonly Dictionary<string, IReadOnlyList<KindEntry>> _kinds = [];

    public ClusterClient(KubernetesClientConfiguration configuration) => _kubernetes = new Kubernetes(configuration);

    public void Dispose() => _kubernetes.Dispose();

    /// <summary>Server-side apply of one object, taking over fields that others own.</summary>
    /// <returns>What kubectl prints: <c>kind.group/name</c>.</returns>
    /// <exception cref="CliException">The object lacks its kind or name, or the server does not know the kind.</exception>
    /// <exception cref="KubernetesApiException">The server refused it.</exception>
    public async Task<string> ApplyAsync(JsonObject entity, string defaultNamespace, CancellationToken cancellationToken)
    {
        string apiVersion = Text(entity, "apiVersion") ?? throw new CliException("an object has no apiVersion");
        string kind = Text(entity, "kind") ?? throw new CliException("an object has no kind");
        JsonObject metadata = entity["metadata"] as JsonObject ?? throw new CliException($"{kind}: metadata is missing");
        string name = Text(metadata, "name") ?? throw new CliException($"{kind}: metadata.name is missing");
        KindEntry entry = (await KindsAsync(apiVersion, cancellationToken)).FirstOrDefault(k => k.Kind == kind)
            ?? throw new CliException($"the server knows no {kind} in {apiVersion}; are the CRDs applied?");
        string path = entry.Path(Text(metadata, "namespace") ?? defaultNamespace) + $"/{name}?fieldManager=aifabric-cli&force=true&fieldValidation=Strict";
        using JsonDocument _ = await SendAsync(HttpMethod.Patch, path, "application/json", entity.ToJsonString(), cancellationToken);
        return $"{kind.ToLowerInvariant()}{(entry.Group.Length == 0 ? "" : "." + entry.Group)}/{name}";
    }

    /// <summary>Objects of a kind named as on kubectl's command line (plural, singular, short name, or a category such as <c>aifabric</c>).</summary>
    /// <param name="resource">The name.</param>
    /// <param name="name">One object; null for all.</param>
    /// <param name="namespace">Null for all namespaces.</param>
    /// <param name="asTable">The server's table for people instead of the objects themselves.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="CliException">The server knows no such resource.</exception>
    public async Task<IReadOnlyList<(KindEntry Kind, JsonElement Body)>> GetAsync(
        string resource, string? name, string? @namespace, bool asTable, CancellationToken cancellationToken)
    {
        (IReadOnlyList<KindEntry> all, IReadOnlyList<string> down) = await AllKindsAsync(cancellationToken);
        KindEntry[] kinds = [.. all.Where(k => k.IsCalled(resource))];
        if (kinds.Length == 0)
        {
            throw new CliException(
                $"the server doesn't have a resource type \"{resource}\"{(down.Count == 0 ? "" : $", unless it is of {string.Join(", ", down)}, which is unavailable")}");
        }

        if (!kinds[0].Categories.Contains(resource))
            kinds = kinds[..1]; // several groups may serve the same kind, as events do: the first is the preferred one

        var found = new List<(KindEntry, JsonElement)>();
        foreach (KindEntry kind in kinds)
        {
            string path = kind.Path(@namespace) + (name is null ? "" : $"/{name}");
            using JsonDocument body = await SendAsync(HttpMethod.Get, path, asTable ? Table : "application/json", null, cancellationToken);
            found.Add((kind, body.RootElement.Clone()));
        }

        return found;
    }

    /// <summary>All kinds, but for those of groups that are down: those of an aggregated API, such as metrics, go and come with a server of their own.</summary>
    private async Task<(IReadOnlyList<KindEntry> Kinds, IReadOnlyList<string> Down)> AllKindsAsync(CancellationToken cancellationToken)
    {
        using JsonDocument groups = await SendAsync(HttpMethod.Get, "apis", "application/json", null, cancellationToken);
        string[] versions = ["v1", .. groups.RootElement.GetProperty("groups").EnumerateArray()
            .Select(g => g.GetProperty("preferredVersion").GetProperty("groupVersion").GetString()!)]; // required by the API
        var all = new List<KindEntry>();
        var down = new List<string>();
        foreach (string version in versions)
        {
            try
            {
                all.AddRange(await KindsAsync(version, cancellationToken));
            }
            catch (KubernetesApiException e) when (e.StatusCode == HttpStatusCode.ServiceUnavailable)
            {
                down.Add(version);
            }
        }

        return (all, down);
    }

    private async Task<IReadOnlyList<KindEntry>> KindsAsync(string apiVersion, CancellationToken cancellationToken)
    {
        if (_kinds.TryGetValue(apiVersion, out IReadOnlyList<KindEntry>? known))
            return known;
        string path = apiVersion.Contains('/', StringComparison.Ordinal) ? $"apis/{apiVersion}" : $"api/{apiVersion}";
        try
        {
            using JsonDocument list = await SendAsync(HttpMethod.Get, path, "application/json", null, cancellationToken);
            return _kinds[apiVersion] = KindEntry.Parse(apiVersion, list.RootElement);
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            return [];
        }
    }

    private async Task<JsonDocument> SendAsync(HttpMethod method, string path, string accept, string? body, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(method, new Uri(_kubernetes.BaseUri, path));
        request.Headers.Accept.ParseAdd(accept);
        if (body is not null)
        {
            request.Content = new StringContent(body);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/apply-patch+yaml");
        }

        if (_kubernetes.Credentials is { } credentials)
            await credentials.ProcessHttpRequestAsync(request, cancellationToken);
        using HttpResponseMessage response = await _kubernetes.HttpClient.SendAsync(request, cancellationToken);
        string text = await response.Content.ReadAsStringAsync(cancellationToken);
        return response.IsSuccessStatusCode ? JsonDocument.Parse(text) : throw new KubernetesApiException(response.StatusCode, null, Message(text, response.StatusCode));
    }

    private static string Message(string body, HttpStatusCode code)
    {
        try
        {
            return JsonNode.Parse(body)?["message"]?.GetValue<string>() ?? $"the server answered {(int)code}";
        }
        catch (JsonException)
        {
            return $"the server answered {(int)code}: {body}";
        }
    }

    private static string? Text(JsonObject entity, string name) => entity[name] is JsonValue value && value.TryGetValue(out string? text) ? text : null;
}
