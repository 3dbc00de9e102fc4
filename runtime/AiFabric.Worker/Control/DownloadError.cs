using AiFabric.Worker.Errors;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Control;

/// <summary>A download that failed, as an answer: what may pass by itself is the server's trouble, the rest is the request's.</summary>
internal static class DownloadError
{
    public static ApiException Of(string field, DownloadException e) =>
        new(e.IsRetryable ? 503 : 400, $"'{field}': {e.Message}", field, "download_failed");
}
