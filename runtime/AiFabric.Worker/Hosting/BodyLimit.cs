using AiFabric.Worker.Errors;
using Microsoft.AspNetCore.Http.Features;

namespace AiFabric.Worker.Hosting;

/// <summary>Refuses a body that says it is too large. Kestrel's own limit stands behind it, for bodies that do not say.</summary>
internal static class BodyLimit
{
    // Many clients read no answer before all is sent, and see a broken connection when nobody takes it: so it is read and dropped, up to here.
    private const long MaxDiscardedBytes = 64 << 20;

    /// <exception cref="ApiException">413 with both sizes.</exception>
    public static async Task GuardAsync(HttpContext context, RequestDelegate next, long maxBytes)
    {
        if (context.Request.ContentLength is not { } length || length <= maxBytes)
        {
            await next(context);
            return;
        }
        if (length <= MaxDiscardedBytes && context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = MaxDiscardedBytes;
            await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
        }
        throw new ApiException(413, $"The request body has {length} bytes; this server accepts {maxBytes}.", code: "request_too_large");
    }
}
