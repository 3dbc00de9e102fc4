using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace AiFabric.Operator.Webhooks;

/// <summary>The body of a webhook's request and of its answer: <c>AdmissionReview</c> of <c>admission.k8s.io/v1</c>.</summary>
internal sealed record AdmissionReview
{
    public const string Version = "admission.k8s.io/v1";
    public const string KindName = "AdmissionReview";

    public string? ApiVersion { get; init; }

    public string? Kind { get; init; }

    public AdmissionRequest? Request { get; init; }

    public AdmissionResponse? Response { get; init; }
}

/// <summary>What the API server asks.</summary>
internal sealed record AdmissionRequest
{
    public const string Create = "CREATE";
    public const string Update = "UPDATE";

    /// <summary>Names the request; the answer repeats it.</summary>
    public string? Uid { get; init; }

    public GroupResource? Resource { get; init; }

    public string? SubResource { get; init; }

    /// <summary>CREATE, UPDATE, DELETE or CONNECT.</summary>
    public string? Operation { get; init; }

    public string? Name { get; init; }

    public string? Namespace { get; init; }

    /// <summary>The object as it will be.</summary>
    public JsonObject? Object { get; init; }

    /// <summary>The object as it is; null on create.</summary>
    public JsonObject? OldObject { get; init; }
}

/// <summary>The kind of resource asked about.</summary>
internal sealed record GroupResource
{
    public string? Group { get; init; }

    public string? Version { get; init; }

    /// <summary>The plural.</summary>
    public string? Resource { get; init; }
}

/// <summary>The answer.</summary>
internal sealed record AdmissionResponse
{
    public required string Uid { get; init; }

    public required bool Allowed { get; init; }

    /// <summary>Why not; null when allowed.</summary>
    public AdmissionStatus? Status { get; init; }

    /// <summary>A JSON patch (RFC 6902) in UTF-8, written as base64.</summary>
    public byte[]? Patch { get; init; }

    public string? PatchType { get; init; }

    /// <summary>Shown to the client as <c>Warning: …</c>; the server may cut one off after 256 characters.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}

/// <summary>The parts of a Status that a client shows.</summary>
internal sealed record AdmissionStatus(int Code, string Reason, string Message);

/// <summary>Reads and writes reviews without reflection.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AdmissionReview))]
internal sealed partial class AdmissionJson : JsonSerializerContext;
