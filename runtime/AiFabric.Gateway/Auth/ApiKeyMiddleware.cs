using AiFabric.Gateway.Http;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Auth;

/// <summary>
/// Refuses requests to <c>/v1</c>, <c>/tokenize</c> and <c>/detokenize</c> without a known key (<c>Authorization: Bearer KEY</c>) with 401 in OpenAI's shape; to the others it adds their <see cref="Tenant"/>.
/// </summary>
public sealed class ApiKeyMiddleware(RequestDelegate next, ApiKeyRing keys, IOptions<GatewayOptions> options)
{
    private const string Scheme = "Bearer ";

    private static readonly PathString[] Guarded = ["/v1", "/tokenize", "/detokenize"];

    public Task InvokeAsync(HttpContext context)
    {
        if (!options.Value.RequireApiKeys || !IsGuarded(context.Request.Path))
            return next(context);

        string header = context.Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return OpenAIError.Unauthorized("Send an API key as 'Authorization: Bearer KEY'.").WriteAsync(context);
        string key = header[Scheme.Length..].Trim();
        if (keys.Find(key) is not { } limits)
            return OpenAIError.Unauthorized("The API key is not known.").WriteAsync(context);
        context.Features.Set(Tenant.OfKey(key, limits));
        return next(context);
    }

    // Routes match whatever the case of their letters, so this must too.
    private static bool IsGuarded(PathString path) => Array.Exists(Guarded, guarded => path.StartsWithSegments(guarded, StringComparison.OrdinalIgnoreCase));
}
