using System.Text;
using System.Text.Json.Nodes;
using AiFabric.Operator.Storage;

namespace AiFabric.Operator.Webhooks;

/// <summary>
/// Fills in what a default of the schema cannot, because it depends on the object. Pure. It runs before the object is checked against the schema,
/// so nothing about its shape is sure.
/// </summary>
internal static class Defaulting
{
    /// <summary>The JSON patch (RFC 6902) for the request's object; null when nothing is to be filled in.</summary>
    public static JsonArray? Patch(string plural, AdmissionRequest request)
    {
        if (plural != Kinds.FinetuneJobs || request is not { Operation: AdmissionRequest.Create, Object: { } job } || !string.IsNullOrEmpty(request.SubResource))
            return null;
        return AdapterName(job);
    }

    public static AdmissionResponse Answer(string plural, AdmissionRequest request, string uid)
    {
        JsonArray? patch = Patch(plural, request);
        return new AdmissionResponse
        {
            Uid = uid,
            Allowed = true,
            Patch = patch is null ? null : Encoding.UTF8.GetBytes(patch.ToJsonString()),
            PatchType = patch is null ? null : "JSONPatch",
        };
    }

    /// <summary>A job's adapter is called like the job. With <c>generateName</c> the name is not known yet, and the author has to choose.</summary>
    private static JsonArray? AdapterName(JsonObject job)
    {
        if ((job["metadata"] as JsonObject)?["name"] is not JsonValue value || !value.TryGetValue(out string? name) || !Names.IsLabel(name)
            || job["spec"] is not JsonObject spec)
        {
            return null;
        }
        return spec["output"] switch
        {
            null => [Add("/spec/output", new JsonObject { ["adapterName"] = name })],
            JsonObject output when output["adapterName"] is null => [Add("/spec/output/adapterName", JsonValue.Create(name))],
            _ => null,
        };
    }

    private static JsonObject Add(string path, JsonNode value) => new() { ["op"] = "add", ["path"] = path, ["value"] = value };
}
