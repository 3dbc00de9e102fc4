using System.Text.Json;

namespace AiFabric.Cluster.Tests.RealCluster;

/// <summary>One request as the API server's audit log tells it.</summary>
/// <param name="User">Who asked, such as <c>system:serviceaccount:aifabric-system:aifabric-operator</c>; empty when that was not proved (401).</param>
/// <param name="Verb">As in RBAC rules: get, list, watch, create, update, patch, delete, deletecollection.</param>
/// <param name="Group">API group; empty for the core group.</param>
/// <param name="Resource">Plural name; empty for a request that is for no resource.</param>
/// <param name="Subresource">Such as <c>status</c>; empty for none.</param>
/// <param name="Namespace">Empty for cluster-scoped requests.</param>
/// <param name="Name">Of the object; empty for lists, watches and most creations.</param>
/// <param name="Uri">Path and query.</param>
/// <param name="Code">HTTP status of the answer.</param>
public sealed record AuditEvent(
    string User, string Verb, string Group, string Resource, string Subresource, string Namespace, string Name, string Uri, int Code)
{
    /// <summary>Reads an audit log. A last line that is not wholly written yet is left out.</summary>
    public static IReadOnlyList<AuditEvent> Read(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        string text = reader.ReadToEnd();
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];
    }

    private static AuditEvent Parse(string line)
    {
        using JsonDocument document = JsonDocument.Parse(line);
        JsonElement root = document.RootElement;
        bool forResource = root.TryGetProperty("objectRef", out JsonElement about);
        string About(string field) => forResource && about.TryGetProperty(field, out JsonElement value) ? value.GetString() ?? "" : "";
        return new AuditEvent(
            root.GetProperty("user").TryGetProperty("username", out JsonElement user) ? user.GetString() ?? "" : "",
            root.GetProperty("verb").GetString() ?? "",
            About("apiGroup"), About("resource"), About("subresource"), About("namespace"), About("name"),
            root.GetProperty("requestURI").GetString() ?? "",
            root.TryGetProperty("responseStatus", out JsonElement status) && status.TryGetProperty("code", out JsonElement code) ? code.GetInt32() : 0);
    }
}
