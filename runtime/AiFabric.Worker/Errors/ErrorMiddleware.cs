using AiFabric.Engine.Requests;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Worker.Errors;

/// <summary>Gives every error, routes that do not exist included, OpenAI's shape.</summary>
internal sealed class ErrorMiddleware(RequestDelegate next, ILogger<ErrorMiddleware> log)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
            if (context.Response is { HasStarted: false, StatusCode: >= 400, ContentLength: null, ContentType: null })
                await WriteAsync(context, OfStatus(context));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client left: nobody reads an answer.
        }
        catch (IOException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Likewise, noticed while writing.
        }
#pragma warning disable CA1031 // Top of the request's loop: whatever went wrong, the client gets an answer and the log the cause.
        catch (Exception e) when (!context.Response.HasStarted)
#pragma warning restore CA1031
        {
            var answer = Translate(e);
            if (answer.Status >= 500 && e is not ApiException)
                Log.RequestFailed(log, e, context.Request.Method, context.Request.Path);
            await WriteAsync(context, answer);
        }
    }

    /// <summary>The answer an exception stands for.</summary>
    public static ApiException Translate(Exception e) => e switch
    {
        ApiException api => api,
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => new ApiException(413, e.Message, code: "request_too_large"),
        BadHttpRequestException bad => new ApiException(bad.StatusCode, bad.Message),
        EngineRejectedException rejected => OfRejection(rejected),
        _ => new ApiException(500, "The server failed to answer; its log has the cause.", code: "internal_error"),
    };

    private static ApiException OfRejection(EngineRejectedException rejected) => new(
        rejected.Code switch
        {
            RejectionCodes.AdapterNotFound => StatusCodes.Status404NotFound,
            RejectionCodes.QueueFull => StatusCodes.Status429TooManyRequests,
            RejectionCodes.EngineFailed => StatusCodes.Status500InternalServerError,
            RejectionCodes.EngineStopped => StatusCodes.Status503ServiceUnavailable,
            RejectionCodes.AdapterLimit => StatusCodes.Status409Conflict,
            _ => StatusCodes.Status400BadRequest,
        },
        rejected.Message, rejected.Param, rejected.Code == RejectionCodes.AdapterNotFound ? "model_not_found" : rejected.Code);

    private static ApiException OfStatus(HttpContext context) => context.Response.StatusCode switch
    {
        404 => new ApiException(404, $"There is no {context.Request.Method} {context.Request.Path} here.", code: "unknown_url"),
        405 => new ApiException(405, $"{context.Request.Path} does not answer {context.Request.Method}; allowed: {context.Response.Headers.Allow}.", code: "method_not_allowed"),
        int status => new ApiException(status, $"The request was refused with status {status}."),
    };

    private static async Task WriteAsync(HttpContext context, ApiException answer)
    {
        context.Response.StatusCode = answer.Status;
        if (answer.Status == StatusCodes.Status429TooManyRequests)
            context.Response.Headers.RetryAfter = "1";
        await context.Response.WriteAsJsonAsync<ErrorResponse>(answer.ToResponse(), OpenAIJson.Default.ErrorResponse, cancellationToken: context.RequestAborted);
    }
}
