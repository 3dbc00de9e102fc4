using System.Net;
using System.Text.Json;

namespace AiFabric.Worker.Storage.Transfer;

/// <summary>Turns a bad status into an error that repeats the server's own word and says what to do.</summary>
internal static class Refusal
{
    private const int MaxBodyBytes = 8 << 10;
    private const int MaxTextLength = 300;

    /// <param name="asked">What was asked, before redirects.</param>
    /// <param name="response">The answer.</param>
    /// <param name="credentials">Names of the variables that hold credentials for this scheme.</param>
    /// <param name="time">The clock of the wait for the body, and that a date in Retry-After is measured by.</param>
    /// <param name="cancellationToken">Ends the wait for the body.</param>
    public static async Task<DownloadException> ReadAsync(Uri asked, HttpResponseMessage response, string credentials, TimeProvider time, CancellationToken cancellationToken)
    {
        string word = Word(response, await BodyAsync(response, time, cancellationToken));
        var (message, retryable) = Of(asked.Authority + asked.AbsolutePath, response.StatusCode, word, credentials);
        return new DownloadException(message, retryable) { RetryAfter = RetryAfter(response, time) };
    }

    /// <summary>The message for a status, and whether another try may help.</summary>
    /// <param name="place">Host and path, without a query: signed URLs carry secrets there.</param>
    /// <param name="status">What it answered.</param>
    /// <param name="word">What it said about it; may be empty.</param>
    /// <param name="credentials">Names of the variables that hold credentials for this scheme.</param>
    public static (string Message, bool Retryable) Of(string place, HttpStatusCode status, string word, string credentials)
    {
        string answered = $"{place} answered {(int)status}{(word.Length > 0 ? ": " + word : "")}";
        return status switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden =>
                ($"{answered}; set {credentials} in the Secret that spec.model.credentialsSecretRef names, and see that it may read this", false),
            HttpStatusCode.NotFound or HttpStatusCode.Gone => ($"{answered}; check name and revision (a private place needs {credentials})", false),
            HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or (HttpStatusCode)425 or >= HttpStatusCode.InternalServerError => (answered, true),
            _ => (answered, false),
        };
    }

    private static TimeSpan? RetryAfter(HttpResponseMessage response, TimeProvider time) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when date > time.GetUtcNow() => date - time.GetUtcNow(),
        _ => null,
    };

    private static string Word(HttpResponseMessage response, string body)
    {
        // The hub says it in a header, so that it also reaches those who ask by HEAD.
        if (response.Headers.TryGetValues("X-Error-Message", out var told))
            return Cut(string.Join(' ', told));
        string text = FromJson(body) ?? (body.StartsWith('<') ? "" : body);
        return Cut(text.Length > 0 ? text : response.ReasonPhrase ?? "");
    }

    // {"error": "..."} of the hub, {"errors": [{"message": "..."}]} of registries, {"message": "..."} of many.
    private static string? FromJson(string body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            var root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                return null;
            if (root.TryGetProperty("errors", out var errors) && errors.ValueKind == JsonValueKind.Array && errors.GetArrayLength() > 0)
                root = errors[0];
            foreach (string name in (string[])["message", "error", "code"])
            {
                if (root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String)
                    return value.GetString();
            }
            return null;
        }
        catch (JsonException)
        {
            return null; // A page for people, or text.
        }
    }

    private static async Task<string> BodyAsync(HttpResponseMessage response, TimeProvider time, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(HttpTransport.Deadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            byte[] buffer = new byte[MaxBodyBytes];
            await using var stream = await response.Content.ReadAsStreamAsync(either.Token);
            int read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, either.Token);
            return System.Text.Encoding.UTF8.GetString(buffer, 0, read).Trim();
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return ""; // The status alone has to do.
        }
    }

    private static string Cut(string text)
    {
        string line = text.ReplaceLineEndings(" ").Trim();
        return line.Length <= MaxTextLength ? line : line[..MaxTextLength] + "…";
    }
}
