using System.Text.Json;

namespace AiFabric.Benchmarks.Machine;

/// <summary>One kind of request: a verb on a resource (with its subresource, as <c>models/status</c>).</summary>
internal readonly record struct RequestKind(string Resource, string Verb)
{
    /// <summary>Renewals of the operator's own lease go on for ever, by design.</summary>
    public bool IsLease => Resource == "leases";

    public bool IsWrite => Verb is "create" or "update" or "patch" or "delete" or "deletecollection";
}

/// <summary>Reads an API server's audit log as it grows.</summary>
internal sealed class AuditLog(string path)
{
    private long _position;

    /// <summary>Counts the requests that ended since the last call.</summary>
    public IReadOnlyDictionary<RequestKind, int> Next()
    {
        var counts = new Dictionary<RequestKind, int>();
        if (!File.Exists(path))
            return counts;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        file.Seek(_position, SeekOrigin.Begin);
        using var reader = new StreamReader(file);
        string text = reader.ReadToEnd();
        // The last line may be half written: it is read next time.
        int end = text.LastIndexOf('\n') + 1;
        _position += System.Text.Encoding.UTF8.GetByteCount(text.AsSpan(0, end));
        foreach (string line in text[..end].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            RequestKind kind = Parse(line);
            counts[kind] = counts.GetValueOrDefault(kind) + 1;
        }
        return counts;
    }

    /// <summary>Writes other than the lease's.</summary>
    public static int Writes(IReadOnlyDictionary<RequestKind, int> counts) =>
        counts.Where(entry => entry.Key is { IsWrite: true, IsLease: false }).Sum(entry => entry.Value);

    private static RequestKind Parse(string line)
    {
        using JsonDocument entry = JsonDocument.Parse(line);
        string verb = entry.RootElement.GetProperty("verb").GetString() ?? string.Empty;
        if (!entry.RootElement.TryGetProperty("objectRef", out JsonElement target) || !target.TryGetProperty("resource", out JsonElement resource))
            return new RequestKind("(no resource)", verb);
        string name = resource.GetString() ?? string.Empty;
        return new RequestKind(target.TryGetProperty("subresource", out JsonElement sub) ? $"{name}/{sub.GetString()}" : name, verb);
    }
}
