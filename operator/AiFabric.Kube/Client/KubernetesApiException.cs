using System.Net;
using k8s.Models;

namespace AiFabric.Kube;

/// <summary>The API server answered a request with an error.</summary>
public sealed class KubernetesApiException : Exception
{
    public KubernetesApiException()
    {
    }

    public KubernetesApiException(string message)
        : base(message)
    {
    }

    public KubernetesApiException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <param name="statusCode">The HTTP status, or the <c>code</c> of an ERROR event in a watch.</param>
    /// <param name="status">The server's Status object; null when the body was none.</param>
    /// <param name="message">What was asked and what the server said.</param>
    public KubernetesApiException(HttpStatusCode statusCode, V1Status? status, string message)
        : base(message)
    {
        StatusCode = statusCode;
        Status = status;
    }

    /// <summary>The HTTP status of the answer.</summary>
    public HttpStatusCode StatusCode { get; }

    /// <summary>The server's Status object; null when the body was none.</summary>
    public V1Status? Status { get; }

    /// <summary>The machine-readable reason (<c>Conflict</c>, <c>AlreadyExists</c>, <c>Invalid</c>, ...); null when the server gave none.</summary>
    public string? Reason => Status?.Reason;

    /// <summary>Somebody else wrote first (409 Conflict): read again and decide again.</summary>
    public bool IsConflict => StatusCode == HttpStatusCode.Conflict && Reason != "AlreadyExists";

    /// <summary>An object of that name is there already (409 AlreadyExists).</summary>
    public bool IsAlreadyExists => StatusCode == HttpStatusCode.Conflict && Reason == "AlreadyExists";

    /// <summary>The object, its namespace or its kind does not exist (404).</summary>
    public bool IsNotFound => StatusCode == HttpStatusCode.NotFound;

    /// <summary>The resourceVersion or continue token is too old (410): list again.</summary>
    public bool IsGone => StatusCode == HttpStatusCode.Gone;

    /// <summary>The object failed validation (422).</summary>
    public bool IsInvalid => StatusCode == HttpStatusCode.UnprocessableEntity;

    /// <summary>The server will not have it (400, 403, 422): validation, a policy, a quota, missing rights. Only a change of these or of the object helps.</summary>
    public bool IsRefusal => StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.Forbidden or HttpStatusCode.UnprocessableEntity;
}
