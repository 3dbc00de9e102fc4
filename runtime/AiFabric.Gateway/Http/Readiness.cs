using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Routing;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Http;

/// <summary>Whether this replica knows all it needs to answer requests.</summary>
public sealed class Readiness(RouteKeeper routes, ApiKeyRing keys, IOptions<GatewayOptions> options)
{
    /// <summary>What is missing; null when nothing is.</summary>
    public string? Missing() =>
        !routes.HasSynced ? "routes have not synced"
        : options.Value.RequireApiKeys && !keys.HasSynced ? "API keys have not synced"
        : null;
}
