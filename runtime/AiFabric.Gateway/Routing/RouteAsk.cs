using AiFabric.Crds.CoServedModels;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Routing;

/// <summary>What the choice of a worker for a request depends on.</summary>
/// <param name="Query">For the planner.</param>
/// <param name="Prompt">The prompt's beginnings, as the worker is told them; null where its cache does not matter.</param>
public readonly record struct RouteAsk(RouteQuery Query, PromptPieces? Prompt)
{
    /// <summary>Reads it from a request. The prompt is looked at only where the model's policy asks for it.</summary>
    /// <param name="table">Knows the model's policy.</param>
    /// <param name="model">Whom the request is for.</param>
    /// <param name="adapter">And with which adapter.</param>
    /// <param name="body">Its body; null when it generates nothing.</param>
    /// <param name="tenant">Whose it is.</param>
    /// <param name="session">Names the client's session; null without one.</param>
    /// <param name="turn">Counts requests.</param>
    public static RouteAsk Of(RoutingTable table, ModelKey model, string? adapter, RequestBody? body, string? tenant, ulong? session, uint turn)
    {
        RoutingPolicy policy = table.Declared.TryGetValue(model, out DeclaredModel? declared) ? declared.Policy : default;
        PromptPieces? prompt = body is not null && (policy is RoutingPolicy.PrefixAware or RoutingPolicy.PrefixHash)
            ? PromptDigester.Digest(body, tenant, $"{model.Namespace}/{model.Name}:{adapter}")
            : null;
        var query = new RouteQuery(
            policy, prompt?.Bytes ?? 0, prompt is { Digests: [var first, ..] } ? first : null,
            session, turn);
        return new RouteAsk(query, policy == RoutingPolicy.PrefixAware ? prompt : null);
    }
}
