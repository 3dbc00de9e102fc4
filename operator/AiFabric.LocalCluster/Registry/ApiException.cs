using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Registry;

/// <summary>One cause in the details of a refused request.</summary>
/// <param name="Reason">Such as FieldValueInvalid or FieldManagerConflict.</param>
/// <param name="Message">What is wrong with the field.</param>
/// <param name="Field">The field's path, such as "spec.replicas".</param>
public sealed record StatusCause(string Reason, string Message, string Field);

/// <summary>A request that the API server refuses, with what it answers: an HTTP status and a <c>Status</c> object.</summary>
public sealed class ApiException : Exception
{
    private readonly JsonObject? _details;

    /// <summary>A refusal with an HTTP <paramref name="code"/>, a machine-readable <paramref name="reason"/> and a message.</summary>
    public ApiException(int code, string reason, string message, JsonObject? details = null)
        : base(message)
    {
        Code = code;
        Reason = reason;
        _details = details;
    }

    /// <summary>The HTTP status code.</summary>
    public int Code { get; }

    /// <summary>The reason, such as NotFound or Conflict.</summary>
    public string Reason { get; }

    public static ApiException NotFound(ResourceType type, string name) =>
        new(404, "NotFound", $"{type.Resource} \"{name}\" not found", Details(type, name));

    public static ApiException AlreadyExists(ResourceType type, string name) =>
        new(409, "AlreadyExists", $"{type.Resource} \"{name}\" already exists", Details(type, name));

    public static ApiException Conflict(ResourceType type, string name, string why) =>
        new(409, "Conflict", $"Operation cannot be fulfilled on {type.Resource} \"{name}\": {why}", Details(type, name));

    public static ApiException StaleVersion(ResourceType type, string name) =>
        Conflict(type, name, "the object has been modified; please apply your changes to the latest version and try again");

    public static ApiException BadRequest(string message) => new(400, "BadRequest", message);

    public static ApiException Forbidden(ResourceType type, string name, string why) =>
        new(403, "Forbidden", $"{type.Resource} \"{name}\" is forbidden: {why}", Details(type, name));

    public static ApiException Expired(long asked, long oldest) =>
        new(410, "Expired", $"too old resource version: {asked} ({oldest})");

    public static ApiException MethodNotAllowed() =>
        new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");

    /// <summary>Into a process of this machine nobody needs to be led.</summary>
    public static ApiException NoStreams(string what) => new(
        405, "MethodNotAllowed", $"the local cluster has no {what}: its pods are processes of this machine, which reaches them at their addresses (kubectl get pods -o wide)");

    public static ApiException NoSuchPath() => new(404, "NotFound", "the server could not find the requested resource");

    public static ApiException Invalid(ResourceType type, string name, IReadOnlyList<StatusCause> causes)
    {
        var details = Details(type, name);
        details["kind"] = type.Kind;
        details["causes"] = CauseList(causes);
        var lines = causes.Select(cause => $"{cause.Field}: {cause.Message}").ToArray();
        var text = lines.Length == 1 ? lines[0] : $"[{string.Join(", ", lines)}]";
        var kind = type.Group.Length == 0 ? type.Kind : $"{type.Kind}.{type.Group}";
        return new(422, "Invalid", $"{kind} \"{name}\" is invalid: {text}", details);
    }

    /// <summary>A query parameter or option (of PatchOptions, DeleteOptions, ListOptions) that is not allowed.</summary>
    public static ApiException InvalidOption(string kind, StatusCause cause) => new(
        422, "Invalid", $"{kind}.meta.k8s.io \"\" is invalid: {cause.Field}: {cause.Message}",
        new JsonObject { ["group"] = "meta.k8s.io", ["kind"] = kind, ["causes"] = CauseList([cause]) });

    internal static ApiException ApplyConflict(string message, IReadOnlyList<StatusCause> causes) =>
        new(409, "Conflict", message, new JsonObject { ["causes"] = CauseList(causes) });

    /// <summary>The <c>Status</c> object that tells a client about this refusal.</summary>
    public JsonObject ToStatus()
    {
        var status = new JsonObject
        {
            ["kind"] = "Status",
            ["apiVersion"] = "v1",
            ["metadata"] = new JsonObject(),
            ["status"] = "Failure",
            ["message"] = Message,
            ["reason"] = Reason,
            ["code"] = Code,
        };
        if (_details is not null)
            status["details"] = _details.DeepClone();
        return status;
    }

    private static JsonObject Details(ResourceType type, string name)
    {
        var details = new JsonObject();
        if (name.Length > 0)
            details["name"] = name;
        if (type.Group.Length > 0)
            details["group"] = type.Group;
        details["kind"] = type.Plural;
        return details;
    }

    private static JsonArray CauseList(IReadOnlyList<StatusCause> causes) => new([.. causes.Select(cause => (JsonNode)new JsonObject
    {
        ["reason"] = cause.Reason,
        ["message"] = cause.Message,
        ["field"] = cause.Field,
    })]);
}
