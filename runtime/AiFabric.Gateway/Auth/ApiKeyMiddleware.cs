using AiFabric.Gateway.Http;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Auth;

/// <summary>
/// Refuses <c>/v1</c> requests without a known key (<c>Authorization: Bearer KEY</c>) with 401 in OpenAI's shape; to the others it adds their <see cref="Tenant"/>.
/// </summary>
public sealed class ApiKeyMiddleware(RequestDelegate next, ApiKeyRing keys, IOptions<GatewayOptions> options)
{
    private const string Scheme = "Bearer ";

    public Task InvokeAsync(HttpContext context)
    {
        if (!options.Value.RequireApiKeys || !context.Request.Path.StartsWithSegments("/v1", StringComparison.Ordinal))
            return next(context);

        string header = context.Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return OpenAIError.Unauthorized("Send an API key as 'Authorization: Bearer KEY'.").WriteAsync(context);
        string key = header[Scheme.Length..].Trim();
        if (!keys.Contains(key))
            return OpenAIError.Unauthorized("The API key is not known.").WriteAsync(context);
        context.Features.Set(Tenant.OfKey(key));
        return next(context);
    }
}
