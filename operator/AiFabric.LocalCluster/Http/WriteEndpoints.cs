using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Patches;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Http;

/// <summary>create, update, patch, delete and deletecollection.</summary>
internal sealed class WriteEndpoints(ClusterApi api, ObjectWriter writer, ServerSideApply apply, ReadEndpoints reads)
{
    /// <summary>Kinds whose deletion answers with the object, even when it is gone.</summary>
    private static readonly HashSet<string> AnswersWithObject =
        ["pods", "services", "serviceaccounts", "persistentvolumeclaims", "persistentvolumes", "resourcequotas"];

    public async Task CreateAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var body = await RequestBody.ReadObjectAsync(context.Request, cancellationToken) ?? throw ApiException.BadRequest("the request has no body");
        var warnings = new List<string>();
        var made = api.Create(path.Entry.Type, path.Namespace, body, context.Request.WriteOptions(warnings));
        await AnswerAsync(context, path, 201, made, warnings, cancellationToken);
    }

    public async Task UpdateAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var body = await RequestBody.ReadObjectAsync(context.Request, cancellationToken) ?? throw ApiException.BadRequest("the request has no body");
        var warnings = new List<string>();
        var options = context.Request.WriteOptions(warnings);
        var made = path.Subresource == "scale"
            ? ChangeScale(path, _ => body, options)
            : api.Update(path.Entry.Type, path.Namespace, path.Name!, body, path.Subresource, options);
        await AnswerAsync(context, path, 200, made, warnings, cancellationToken);
    }

    public async Task PatchAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var request = context.Request;
        var form = (request.ContentType ?? "").Split(';')[0].Trim();
        var patch = await RequestBody.ReadAsync(request, cancellationToken) ?? throw ApiException.BadRequest("the request has no body");
        var warnings = new List<string>();
        var options = request.WriteOptions(warnings);
        if (form is "application/apply-patch+yaml" or "application/apply-patch+json")
        {
            if (request.Text("fieldManager") is null)
                throw ApiException.InvalidOption("PatchOptions", new("FieldValueRequired", "Required value: is required for apply patch", "fieldManager"));
            if (patch.Text("apiVersion") is null || patch.Text("kind") is null)
                throw ApiException.BadRequest("invalid object type: apiVersion and kind must be set in a configuration to apply");
            var (applied, created) = path.Subresource == "scale"
                ? (ChangeScale(path, _ => Body(patch), options), false)
                : apply.Apply(path.Entry, path.Namespace, path.Name!, Body(patch), path.Subresource, request.Flag("force"), options);
            await AnswerAsync(context, path, created ? 201 : 200, applied, warnings, cancellationToken);
            return;
        }

        if (request.Text("force") is not null)
            throw ApiException.InvalidOption("PatchOptions", new("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force"));
        var change = Change(form, patch, path);
        var made = path.Subresource == "scale"
            ? ChangeScale(path, change, options)
            : writer.Change(path.Entry.Type, path.Namespace, path.Name!, change, path.Subresource, options);
        await AnswerAsync(context, path, 200, made, warnings, cancellationToken);
    }

    public async Task DeleteAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var body = await RequestBody.ReadObjectAsync(context.Request, cancellationToken);
        var type = path.Entry.Type;
        var deleted = api.Delete(type, path.Namespace, path.Name!, context.Request.DeleteRequest(body));
        var stays = deleted.Text("metadata", "deletionTimestamp") is not null && !ObjectRemover.IsReleased(type, deleted);
        var answer = stays || AnswersWithObject.Contains(type.Resource) ? reads.Present(context.Request, path.Entry, deleted) : Success(type, deleted);
        await ResponseBody.WriteAsync(context.Response, 200, answer, cancellationToken);
    }

    public async Task DeleteCollectionAsync(HttpContext context, ApiPath path, CancellationToken cancellationToken)
    {
        var request = context.Request;
        var body = await RequestBody.ReadObjectAsync(request, cancellationToken);
        var type = path.Entry.Type;
        var (items, revision) = api.List(type, path.Namespace, request.Text("labelSelector"), request.Text("fieldSelector"));
        var deleted = new List<JsonObject>();
        foreach (var item in items)
        {
            try
            {
                deleted.Add(api.Delete(type, item.Text("metadata", "namespace"), item.Text("metadata", "name")!, request.DeleteRequest(body)));
            }
            catch (ApiException problem) when (problem.Code == 404)
            {
                // Someone else deleted it since the list: that is what was asked for.
            }
        }

        var meta = ReadEndpoints.ListMeta(revision.ToString(System.Globalization.CultureInfo.InvariantCulture));
        await ResponseBody.WriteAsync(context.Response, 200, ReadEndpoints.List(path.Entry.ListKind, type.ApiVersion, meta, deleted), cancellationToken);
    }

    private static Func<JsonObject, JsonObject> Change(string form, JsonNode patch, ApiPath path) => form switch
    {
        "application/json-patch+json" => current => JsonPatch.Apply(current, patch),
        "application/merge-patch+json" => current => (JsonObject)MergePatch.Apply(current, Body(patch))!,
        "application/strategic-merge-patch+json" when !path.Entry.Custom => current => StrategicMerge.Apply(current, Body(patch), path.Entry.Shape),
        _ => throw new ApiException(415, "UnsupportedMediaType", $"the body of the request was in an unknown format - accepted media types include: "
            + "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            + (path.Entry.Custom ? "" : ", application/strategic-merge-patch+json")),
    };

    private static JsonObject Body(JsonNode patch) => patch as JsonObject ?? throw ApiException.BadRequest("the patch must be an object");

    private JsonObject ChangeScale(ApiPath path, Func<JsonObject, JsonObject> change, WriteOptions options)
    {
        var made = writer.Change(
            path.Entry.Type, path.Namespace, path.Name!,
            current => Subresources.FromScale(path.Entry, current, change(Subresources.ToScale(path.Entry, current))), "scale", options);
        return Subresources.ToScale(path.Entry, made);
    }

    private async Task AnswerAsync(
        HttpContext context, ApiPath path, int code, JsonObject made, List<string> warnings, CancellationToken cancellationToken)
    {
        ResponseBody.Warn(context.Response, warnings);
        var answer = path.Subresource == "scale" ? made : reads.Present(context.Request, path.Entry, made);
        await ResponseBody.WriteAsync(context.Response, code, answer, cancellationToken);
    }

    private static JsonObject Success(ResourceType type, JsonObject deleted)
    {
        var details = new JsonObject { ["name"] = deleted.Text("metadata", "name"), ["kind"] = type.Plural, ["uid"] = deleted.Text("metadata", "uid") };
        if (type.Group.Length > 0)
            details["group"] = type.Group;
        return new()
        {
            ["kind"] = "Status",
            ["apiVersion"] = "v1",
            ["metadata"] = new JsonObject(),
            ["status"] = "Success",
            ["details"] = details,
        };
    }
}
