using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using AiFabric.Kube;
using k8s;
using k8s.Models;
using Microsoft.Extensions.Logging.Abstractions;
using Prometheus;

namespace AiFabric.Tests.Kube;

/// <summary>
/// A fake API server in place of the transport. It keeps objects in memory and speaks the real protocol: pages with continue
/// tokens, watches that replay history from a resourceVersion, bookmarks, 410 when history was compacted, conflicts, finalizers.
/// </summary>
internal sealed class FakeApiServer : DelegatingHandler
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, JsonObject> _objects = new(StringComparer.Ordinal);
    private readonly List<(long Version, string Collection, string Frame)> _history = [];
    private readonly List<FakeWatch> _watches = [];
    private readonly Queue<(Func<FakeRequest, bool> Matches, Func<HttpResponseMessage> Answer)> _faults = new();
    private long _version = 100;
    private long _compactedBefore;

    /// <summary>Every request so far, in order.</summary>
    public List<FakeRequest> Requests { get; } = [];

    /// <summary>Answer "too old" to every watch, as a server whose clock of history ran away.</summary>
    public bool ExpireEveryWatch { get; set; }

    /// <summary>Close each watch as soon as it is open.</summary>
    public bool CloseWatchesAtOnce { get; set; }

    public KubernetesClient Client(KubeMetrics? metrics = null) => new(
        new KubernetesClientConfiguration { Host = "http://fake.invalid" }, metrics ?? new KubeMetrics(Metrics.NewCustomRegistry()),
        NullLogger<KubernetesClient>.Instance, this);

    public FakeRequest[] Seen(Func<FakeRequest, bool>? which = null)
    {
        lock (_lock)
            return [.. Requests.Where(which ?? (_ => true))];
    }

    public int OpenWatches
    {
        get
        {
            lock (_lock)
                return _watches.Count(watch => !watch.Ended);
        }
    }

    public void FailNext(Func<FakeRequest, bool> matches, HttpStatusCode code, string reason) =>
        FailNext(matches, () => Failure(code, reason));

    public void FailNext(Func<FakeRequest, bool> matches, Func<HttpResponseMessage> answer)
    {
        lock (_lock)
            _faults.Enqueue((matches, answer));
    }

    /// <summary>Writes an object as some other client would.</summary>
    public T Put<T>(T entity)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        ResourceType type = ResourceType.Of<T>();
        (entity.ApiVersion, entity.Kind) = (type.ApiVersion, type.Kind);
        lock (_lock)
        {
            var json = (JsonObject)JsonNode.Parse(KubernetesJson.Serialize(entity))!;
            JsonObject stored = StoreNeedsLock(type.Path(null), type.Path(entity.Metadata.NamespaceProperty, entity.Metadata.Name), json);
            return KubernetesJson.Deserialize<T>(stored.ToJsonString());
        }
    }

    public void Remove<T>(string name, string? space)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        lock (_lock)
            RemoveNeedsLock(ResourceType.Of<T>().Path(space, name));
    }

    public T? Find<T>(string name, string? space)
        where T : class, IKubernetesObject<V1ObjectMeta>
    {
        lock (_lock)
        {
            return _objects.TryGetValue(ResourceType.Of<T>().Path(space, name), out JsonObject? found)
                ? KubernetesJson.Deserialize<T>(found.ToJsonString())
                : null;
        }
    }

    public void Bookmark()
    {
        lock (_lock)
        {
            _version++;
            foreach (FakeWatch watch in _watches)
                watch.Send($"{{\"type\":\"BOOKMARK\",\"object\":{{\"metadata\":{{\"resourceVersion\":\"{_version}\"}},\"spec\":{{\"containers\":null}}}}}}");
        }
    }

    public void CloseWatches(Exception? error = null)
    {
        lock (_lock)
        {
            _watches.ForEach(watch => watch.End(error));
            _watches.Clear();
        }
    }

    /// <summary>Forgets all history: a watch from before now gets 410.</summary>
    public void Compact()
    {
        lock (_lock)
        {
            _history.Clear();
            _compactedBefore = ++_version;
        }
    }

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string? body = request.Content is null ? null : await request.Content.ReadAsStringAsync(cancellationToken);
        var seen = FakeRequest.Of(request, body);
        lock (_lock)
        {
            Requests.Add(seen);
            if (_faults.TryPeek(out var fault) && fault.Matches(seen))
            {
                _faults.Dequeue();
                return fault.Answer();
            }
            return AnswerNeedsLock(seen);
        }
    }

    private HttpResponseMessage AnswerNeedsLock(FakeRequest request) => request switch
    {
        { IsWatch: true } => OpenWatchNeedsLock(request),
        { Method: "GET", Name: null } => ListNeedsLock(request),
        { Method: "POST" } => CreateNeedsLock(request),
        _ when !_objects.ContainsKey(request.ObjectPath) && !request.IsApply => Failure(HttpStatusCode.NotFound, "NotFound"),
        { Method: "GET" } => Ok(_objects[request.ObjectPath]),
        { Method: "DELETE" } => DeleteNeedsLock(request),
        _ => WriteNeedsLock(request),
    };

    private HttpResponseMessage OpenWatchNeedsLock(FakeRequest request)
    {
        long from = long.Parse(request.Query["resourceVersion"], CultureInfo.InvariantCulture);
        var watch = new FakeWatch(request.CollectionPath, request.Namespace);
        if (ExpireEveryWatch || from < _compactedBefore)
        {
            watch.Send("""{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old resource version"}}""");
            watch.End(null);
            return watch.Response;
        }
        foreach ((long version, string collection, string frame) in _history)
        {
            if (version > from && watch.Covers(collection, frame))
                watch.Send(frame);
        }
        if (CloseWatchesAtOnce)
        {
            watch.End(null);
            return watch.Response;
        }
        _watches.Add(watch);
        return watch.Response;
    }

    private HttpResponseMessage ListNeedsLock(FakeRequest request)
    {
        int limit = request.Query.TryGetValue("limit", out string? text) ? int.Parse(text, CultureInfo.InvariantCulture) : int.MaxValue;
        string after = request.Query.GetValueOrDefault("continue") ?? string.Empty;
        JsonObject[] all = [.. _objects
            .Where(entry => FakeRequest.CollectionOf(entry.Key) == request.CollectionPath
                && (request.Namespace is null || entry.Key.Contains($"/namespaces/{request.Namespace}/", StringComparison.Ordinal))
                && string.CompareOrdinal(entry.Key, after) > 0)
            .Select(entry => entry.Value)];
        JsonObject[] page = [.. all.Take(limit)];
        var metadata = new JsonObject { ["resourceVersion"] = _version.ToString(CultureInfo.InvariantCulture) };
        if (all.Length > page.Length)
            metadata["continue"] = _objects.First(entry => ReferenceEquals(entry.Value, page[^1])).Key;
        var items = new JsonArray();
        foreach (JsonObject item in page)
        {
            // A real list leaves these out of its items.
            var bare = (JsonObject)item.DeepClone();
            bare.Remove("apiVersion");
            bare.Remove("kind");
            items.Add(bare);
        }
        return Ok(new JsonObject { ["kind"] = "List", ["metadata"] = metadata, ["items"] = items });
    }

    private HttpResponseMessage CreateNeedsLock(FakeRequest request)
    {
        var body = (JsonObject)JsonNode.Parse(request.Body!)!;
        string path = $"{request.Path}/{body["metadata"]!["name"]}";
        return _objects.ContainsKey(path)
            ? Failure(HttpStatusCode.Conflict, "AlreadyExists")
            : Ok(StoreNeedsLock(request.CollectionPath, path, body), HttpStatusCode.Created);
    }

    private HttpResponseMessage WriteNeedsLock(FakeRequest request)
    {
        var body = (JsonObject)JsonNode.Parse(request.Body!)!;
        JsonObject? old = _objects.GetValueOrDefault(request.ObjectPath);
        if (body["metadata"]?["resourceVersion"]?.GetValue<string>() is { } expected && old?["metadata"]!["resourceVersion"]!.GetValue<string>() != expected)
            return Failure(HttpStatusCode.Conflict, "Conflict");
        JsonObject now = old is null ? [] : (JsonObject)old.DeepClone();
        if (request.Subresource == "status")
            now["status"] = body["status"]?.DeepClone();
        else if (request.Method == "PUT")
            now = body;
        else
            FakeRequest.Merge(now, body);
        now["metadata"]!.AsObject().Remove("resourceVersion");
        return Ok(StoreNeedsLock(request.CollectionPath, request.ObjectPath, now));
    }

    private HttpResponseMessage DeleteNeedsLock(FakeRequest request)
    {
        JsonObject found = _objects[request.ObjectPath];
        if (request.Body is not null && JsonNode.Parse(request.Body)?["preconditions"]?["uid"]?.GetValue<string>() is { } uid
            && uid != found["metadata"]!["uid"]!.GetValue<string>())
        {
            return Failure(HttpStatusCode.Conflict, "Conflict");
        }
        RemoveNeedsLock(request.ObjectPath);
        return Ok(new JsonObject { ["kind"] = "Status", ["status"] = "Success" });
    }

    private void RemoveNeedsLock(string path)
    {
        JsonObject found = _objects[path];
        JsonObject metadata = found["metadata"]!.AsObject();
        if (metadata["finalizers"] is JsonArray { Count: > 0 })
        {
            var marked = (JsonObject)found.DeepClone();
            marked["metadata"]!["deletionTimestamp"] = "2026-01-01T00:00:00Z";
            StoreNeedsLock(FakeRequest.CollectionOf(path), path, marked);
            return;
        }
        _objects.Remove(path);
        metadata["resourceVersion"] = (++_version).ToString(CultureInfo.InvariantCulture);
        PublishNeedsLock(FakeRequest.CollectionOf(path), "DELETED", found);
    }

    private JsonObject StoreNeedsLock(string collection, string path, JsonObject entity)
    {
        _objects.TryGetValue(path, out JsonObject? old);
        var stored = (JsonObject)entity.DeepClone();
        JsonObject metadata = stored["metadata"]!.AsObject();
        metadata["uid"] = (metadata["uid"] ?? old?["metadata"]!["uid"])?.DeepClone() ?? $"uid-{_version}";
        bool sameSpec = old is not null && JsonNode.DeepEquals(old["spec"], stored["spec"]);
        long generation = old?["metadata"]!["generation"]?.GetValue<long>() ?? 0;
        metadata["generation"] = sameSpec ? generation : generation + 1;
        metadata["resourceVersion"] = (++_version).ToString(CultureInfo.InvariantCulture);
        if (metadata["deletionTimestamp"] is not null && metadata["finalizers"] is not JsonArray { Count: > 0 })
        {
            _objects.Remove(path);
            PublishNeedsLock(collection, "DELETED", stored);
            return stored;
        }
        _objects[path] = stored;
        PublishNeedsLock(collection, old is null ? "ADDED" : "MODIFIED", stored);
        return stored;
    }

    private void PublishNeedsLock(string collection, string type, JsonObject entity)
    {
        string frame = new JsonObject { ["type"] = type, ["object"] = entity.DeepClone() }.ToJsonString();
        _history.Add((_version, collection, frame));
        foreach (FakeWatch watch in _watches)
        {
            if (watch.Covers(collection, frame))
                watch.Send(frame);
        }
    }

    private static HttpResponseMessage Ok(JsonNode body, HttpStatusCode code = HttpStatusCode.OK) =>
        new(code) { Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json") };

    private static HttpResponseMessage Failure(HttpStatusCode code, string reason) => Ok(
        new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["status"] = "Failure", ["reason"] = reason, ["code"] = (int)code, ["message"] = $"fake says {reason}" },
        code);
}
