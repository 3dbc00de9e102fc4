using System.Globalization;
using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;
using AiFabric.LocalCluster.Tables;

namespace AiFabric.LocalCluster.Http;

/// <summary>watch: a stream of JSON lines, one per change, with bookmarks while nothing happens.</summary>
internal sealed class WatchEndpoint(ClusterApi api, TimeProvider clock, IHostApplicationLifetime lifetime)
{
    private static readonly TimeSpan BookmarkEvery = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(30);

    public async Task WatchAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var request = context.Request;
        var wanted = Negotiation.Of(request);
        ReadEndpoints.CheckFields(path.Entry, request.Text("fieldSelector"));
        var selector = Selector.Parse(request.Text("labelSelector"), request.Text("fieldSelector"));
        var timeout = request.Whole("timeoutSeconds") is { } seconds and > 0 ? TimeSpan.FromSeconds(seconds) : DefaultTimeout;
        if (request.Text("sendInitialEvents") is not null && request.Text("resourceVersionMatch") != "NotOlderThan")
        {
            throw ApiException.InvalidOption("ListOptions", new(
                "FieldValueForbidden", "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan", "resourceVersionMatch"));
        }

        using var ending = new CancellationTokenSource(timeout, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, ending.Token, lifetime.ApplicationStopping);
        context.Response.ContentType = "application/json";
        var stream = new EventStream(context.Response, path.Entry, wanted, request.Text("includeObject"), clock);
        try
        {
            await context.Response.StartAsync(cancellationToken);
            await context.Response.Body.FlushAsync(cancellationToken);
            await RunAsync(request, path, selector, stream, both.Token, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The client left, the time is over or the server stops: a watch ends without a word.
        }
        catch (ApiException problem)
        {
            // The status line is sent, so the refusal (410 Expired) comes as the last event.
            await stream.SendAsync(ClusterEvent.Error, problem.ToStatus(), cancellationToken);
        }
    }

    // The time bounds the waiting only: what has happened already is told, however busy the machine is.
    private async Task RunAsync(
        HttpRequest request, ApiPath path, Selector selector, EventStream stream, CancellationToken waiting, CancellationToken cancellationToken)
    {
        var type = path.Entry.Type;
        var from = request.Text("resourceVersion");
        var bookmarks = request.Flag("allowWatchBookmarks");
        long after;
        if (from is null or "0" || request.Flag("sendInitialEvents"))
        {
            (var items, after) = api.List(type, path.Namespace, request.Text("labelSelector"), request.Text("fieldSelector"));
            foreach (var item in items)
                await stream.SendAsync(ClusterEvent.Added, item, cancellationToken);
            if (request.Flag("sendInitialEvents") && bookmarks)
                await stream.SendAsync(ClusterEvent.Bookmark, InitialEventsEnd(type, after), cancellationToken);
        }
        else if (!long.TryParse(from, NumberStyles.None, CultureInfo.InvariantCulture, out after))
        {
            throw ApiException.BadRequest($"resourceVersion: Invalid value: \"{from}\"");
        }

        await foreach (var change in api.WatchAsync(type, path.Namespace, selector, after, BookmarkEvery, waiting))
        {
            if (bookmarks || change.Type != ClusterEvent.Bookmark)
                await stream.SendAsync(change.Type, change.Object, cancellationToken);
        }
    }

    private static JsonObject InitialEventsEnd(ResourceType type, long revision)
    {
        var bookmark = ClusterApi.BookmarkObject(type, revision);
        bookmark["metadata"]!["annotations"] = new JsonObject { ["k8s.io/initial-events-end"] = "true" };
        return bookmark;
    }

    private sealed class EventStream(HttpResponse response, TypeEntry entry, Negotiation wanted, string? include, TimeProvider clock)
    {
        private bool _columnsSent;

        public async Task SendAsync(string type, JsonObject found, CancellationToken cancellationToken)
        {
            var line = new JsonObject { ["type"] = type, ["object"] = type == ClusterEvent.Error ? found : View(type, found) };
            await response.Body.WriteAsync(ResponseBody.Bytes(line), cancellationToken);
            await response.Body.WriteAsync("\n"u8.ToArray(), cancellationToken);
            await response.Body.FlushAsync(cancellationToken);
        }

        private JsonObject View(string type, JsonObject found)
        {
            if (wanted.View == Http.View.Objects)
                return found;
            if (wanted.View == Http.View.Metadata)
                return TablePrinter.PartialMetadata(found, wanted.Version);
            var meta = ReadEndpoints.ListMeta(found["metadata"]?["resourceVersion"]?.ToString() ?? "");
            var table = TablePrinter.Print(entry, type == ClusterEvent.Bookmark ? [] : [found], meta, include, wanted.Version, clock.GetUtcNow());
            // Clients print headings for every table that has columns, so only the first has.
            if (_columnsSent)
                table["columnDefinitions"] = null;
            _columnsSent = true;
            return table;
        }
    }
}
