using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Pipelines;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Shutdown;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Http;

/// <summary>Whether requests should be sent to this replica: it knows all it needs, and it is not about to stop.</summary>
public sealed class Readiness(RouteKeeper routes, PipelineCatalog pipelines, ApiKeyRing keys, Drain drain, IOptions<GatewayOptions> options)
{
    /// <summary>What is missing; null when nothing is.</summary>
    public string? Missing() =>
        drain.HasBegun ? "this replica is draining"
        : !routes.HasSynced ? "routes have not synced"
        : !pipelines.HasSynced ? "pipelines have not synced"
        : options.Value.RequireApiKeys && !keys.HasSynced ? "API keys have not synced"
        : null;
}
