using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Tables;

namespace AiFabric.LocalCluster.Http;

/// <summary>get and list.</summary>
internal sealed class ReadEndpoints(ClusterApi api, TimeProvider clock)
{
    private const string TokenMark = "after:";

    public async Task GetAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var type = path.Entry.Type;
        var found = api.Get(type, path.Namespace, path.Name!) ?? throw ApiException.NotFound(type, path.Name!);
        if (path.Subresource == "scale")
            await ResponseBody.WriteAsync(context.Response, 200, Subresources.ToScale(path.Entry, found), cancellationToken);
        else
            await ResponseBody.WriteAsync(context.Response, 200, Present(context.Request, path.Entry, found), cancellationToken);
    }

    /// <summary>One object in the form the client wants.</summary>
    public JsonObject Present(HttpRequest request, TypeEntry entry, JsonObject found)
    {
        var wanted = Negotiation.Of(request);
        return wanted.View switch
        {
            View.Table => TablePrinter.Print(entry, [found], ListMeta(found.Text("metadata", "resourceVersion") ?? ""), request.Text("includeObject"), wanted.Version, clock.GetUtcNow()),
            View.Metadata => TablePrinter.PartialMetadata(found, wanted.Version),
            _ => found,
        };
    }

    public async Task ListAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var request = context.Request;
        _ = request.Whole("resourceVersion"); // Every list is the newest, but nonsense is refused.
        CheckFields(path.Entry, request.Text("fieldSelector"));
        var (items, revision) = api.List(path.Entry.Type, path.Namespace, request.Text("labelSelector"), request.Text("fieldSelector"));
        var meta = ListMeta(revision.ToString(CultureInfo.InvariantCulture));
        var page = Page(request, items, meta);
        var wanted = Negotiation.Of(request);
        var list = wanted.View switch
        {
            View.Table => TablePrinter.Print(path.Entry, page, meta, request.Text("includeObject"), wanted.Version, clock.GetUtcNow()),
            View.Metadata => List("PartialObjectMetadataList", $"meta.k8s.io/{wanted.Version}", meta, page.Select(one => TablePrinter.PartialMetadata(one, wanted.Version))),
            _ => List(path.Entry.ListKind, path.Entry.Type.ApiVersion, meta, page),
        };
        await ResponseBody.WriteAsync(context.Response, 200, list, cancellationToken);
    }

    public static JsonObject List(string kind, string apiVersion, JsonObject meta, IEnumerable<JsonObject> items) => new()
    {
        ["kind"] = kind,
        ["apiVersion"] = apiVersion,
        ["metadata"] = meta,
        ["items"] = new JsonArray([.. items]),
    };

    public static JsonObject ListMeta(string revision) => new() { ["resourceVersion"] = revision };

    /// <summary>Cuts a page out. The token names the last object sent; the next page shows the objects after it as they are then.</summary>
    private static IReadOnlyList<JsonObject> Page(HttpRequest request, IReadOnlyList<JsonObject> items, JsonObject meta)
    {
        var limit = request.Whole("limit") ?? 0;
        if (request.Text("continue") is { } token)
        {
            var last = DecodeToken(token);
            items = [.. items.Where(item => string.CompareOrdinal(Key(item), last) > 0)];
        }

        if (limit <= 0 || items.Count <= limit)
            return items;
        meta["continue"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(TokenMark + Key(items[(int)limit - 1])));
        meta["remainingItemCount"] = items.Count - limit;
        return [.. items.Take((int)limit)];
    }

    /// <summary>Custom resources are selected by name and namespace alone.</summary>
    public static void CheckFields(TypeEntry entry, string? selector)
    {
        if (!entry.Custom || selector is null)
            return;
        foreach (var term in selector.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (term.Split('=', '!')[0].Trim() is var field and not ("metadata.name" or "metadata.namespace"))
                throw ApiException.BadRequest($"field label not supported: {field}");
        }
    }

    // NUL sorts before every character of a name, so keys sort as (namespace, name) pairs do.
    private static string Key(JsonObject item) => $"{item.Text("metadata", "namespace")}\0{item.Text("metadata", "name")}";

    private static string DecodeToken(string token)
    {
        try
        {
            var text = Encoding.UTF8.GetString(Convert.FromBase64String(token));
            if (text.StartsWith(TokenMark, StringComparison.Ordinal))
                return text[TokenMark.Length..];
        }
        catch (FormatException)
        {
            // No base64 either: refused below.
        }

        throw ApiException.BadRequest("continue key is not valid");
    }
}
