using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace AiFabric.Operator.Webhooks;

/// <summary>Reads the body of a review. Pure.</summary>
internal static class ReviewReader
{
    /// <param name="body">The request's body.</param>
    /// <param name="plural">The kind that the path is for.</param>
    /// <param name="request">A request with uid, operation and the objects that the operation has.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryRead(
        ReadOnlySpan<byte> body, string plural, [NotNullWhen(true)] out AdmissionRequest? request, [NotNullWhen(false)] out string? error)
    {
        request = null;
        if (body.IsEmpty)
        {
            error = $"the body is empty: send an {AdmissionReview.KindName} of {AdmissionReview.Version}";
            return false;
        }
        try
        {
            AdmissionReview? review = JsonSerializer.Deserialize(body, AdmissionJson.Default.AdmissionReview);
            error = Problem(review, plural);
            request = review?.Request;
        }
        catch (JsonException e)
        {
            error = $"the body is no {AdmissionReview.KindName}: {OneLine(e.Message)}";
        }
        if (error is not null)
            request = null;
        return request is not null;
    }

    private static string? Problem(AdmissionReview? review, string plural)
    {
        if (review is not { ApiVersion: AdmissionReview.Version, Kind: AdmissionReview.KindName })
        {
            return $"apiVersion '{review?.ApiVersion}' and kind '{review?.Kind}' are not supported: send an {AdmissionReview.KindName} of "
                + AdmissionReview.Version;
        }
        if (review.Request is not { } request)
            return "request is missing";
        if (string.IsNullOrEmpty(request.Uid))
            return "request.uid is missing";
        if (request.Resource?.Resource != plural)
            return $"request.resource.resource is '{request.Resource?.Resource}', but this path is for {plural}";
        return request.Operation switch
        {
            AdmissionRequest.Create or AdmissionRequest.Update when request.Object is null => $"request.object is missing, yet the operation is {request.Operation}",
            AdmissionRequest.Update when request.OldObject is null => "request.oldObject is missing, yet the operation is UPDATE",
            AdmissionRequest.Create or AdmissionRequest.Update or "DELETE" or "CONNECT" => null,
            _ => $"request.operation '{request.Operation}' is unknown: CREATE, UPDATE, DELETE and CONNECT are known",
        };
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");
}
