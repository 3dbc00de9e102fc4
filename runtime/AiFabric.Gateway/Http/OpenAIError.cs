using System.Globalization;
using AiFabric.Gateway.Limits;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Http;

/// <summary>An error in OpenAI's envelope, with the HTTP status it travels under.</summary>
public sealed record OpenAIError(int Status, string Type, string Message, string? Code = null, string? Param = null)
{
    /// <summary>Seconds after which a retry may succeed, sent as Retry-After.</summary>
    public int? RetryAfterSeconds { get; init; }

    public static OpenAIError Invalid(string message, string? param = null, string? code = null) =>
        new(StatusCodes.Status400BadRequest, "invalid_request_error", message, code, param);

    public static OpenAIError TooLarge(long limit) =>
        new(StatusCodes.Status413PayloadTooLarge, "invalid_request_error", $"The request body is larger than {limit} bytes.", "request_too_large");

    public static OpenAIError NotFound(string message, string? code = null, string? param = null) =>
        new(StatusCodes.Status404NotFound, "invalid_request_error", message, code, param);

    public static OpenAIError ModelNotFound(string model) =>
        NotFound($"The model '{model}' does not exist. GET /v1/models lists those that do.", "model_not_found", "model");

    public static OpenAIError Unauthorized(string message) =>
        new(StatusCodes.Status401Unauthorized, "authentication_error", message, "invalid_api_key");

    public static OpenAIError NotReady(string model) =>
        new(StatusCodes.Status503ServiceUnavailable, "server_error", $"No replica of '{model}' is ready.", "model_not_ready", "model") { RetryAfterSeconds = 2 };

    public static OpenAIError TooManyWait(string model) =>
        new(StatusCodes.Status503ServiceUnavailable, "server_error", $"No replica of '{model}' is ready, and too many requests wait already.", "model_queue_full", "model") { RetryAfterSeconds = 5 };

    public static OpenAIError Stopped(string model) => new(
        StatusCodes.Status503ServiceUnavailable, "server_error", $"'{model}' is switched off: its owner set it to zero replicas. No request brings it back.", "model_stopped", "model");

    public static OpenAIError WorkersFailed(string model) =>
        new(StatusCodes.Status502BadGateway, "server_error", $"Every tried replica of '{model}' failed before answering.", "worker_unreachable", "model") { RetryAfterSeconds = 1 };

    public static OpenAIError AnswerTimedOut(int seconds) => new(
        StatusCodes.Status504GatewayTimeout, "server_error", $"The answer had not begun after {seconds} s. Ask for less ('max_tokens'), or for a stream.", "answer_timeout");

    public static OpenAIError WorkerLost() =>
        new(StatusCodes.Status502BadGateway, "server_error", "The worker was lost while it streamed this answer; ask again.", "worker_lost");

    public static OpenAIError ShuttingDown() =>
        new(StatusCodes.Status503ServiceUnavailable, "server_error", "This gateway is shutting down; ask again.", "shutting_down") { RetryAfterSeconds = 1 };

    public static OpenAIError RateLimited(LimitRefusal refusal) => new(
        StatusCodes.Status429TooManyRequests, refusal.Kind,
        $"Rate limit reached: this key may use {refusal.Limit} {refusal.Kind} per minute here. Ask again in {LimitHeaders.Duration(refusal.Wait)}.", "rate_limit_exceeded")
    {
        RetryAfterSeconds = Math.Max(1, (int)Math.Ceiling(refusal.Wait.TotalSeconds)),
    };

    /// <summary>The envelope.</summary>
    public ErrorResponse ToResponse() => new() { Error = new ErrorBody { Message = Message, Type = Type, Code = Code, Param = Param } };

    /// <summary>Writes the error, unless the answer has begun already.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        if (context.Response.HasStarted)
            return;
        context.Response.Clear();
        context.Response.StatusCode = Status;
        if (RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        await context.Response.WriteAsJsonAsync(ToResponse(), OpenAIJson.Default.ErrorResponse, null, context.RequestAborted);
    }
}
