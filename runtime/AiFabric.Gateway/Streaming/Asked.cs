using AiFabric.Gateway.Auth;
using AiFabric.Gateway.Limits;
using AiFabric.Gateway.Routing;
using AiFabric.Gateway.Traffic;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Streaming;

/// <summary>A request that a worker is to answer.</summary>
/// <param name="Context">The client's request and answer.</param>
/// <param name="Body">The body.</param>
/// <param name="Spending">What it spends of its tenant's budget; null without limits.</param>
/// <param name="Visit">What it is counted as.</param>
internal sealed record Asked(HttpContext Context, RequestBody Body, Spending? Spending, Visit Visit)
{
    public string? Tenant { get; } = Context.Features.Get<Tenant>()?.Id;

    /// <summary>Names the client's session; null without one.</summary>
    public ulong? Session { get; } = PromptDigester.SessionOf(Context.Features.Get<Tenant>()?.Id, Context.Request.Headers[CompletionForwarder.SessionHeader].ToString());

    /// <summary>Whether tokens are generated.</summary>
    public bool Generates { get; } = EndsWith(Context, "/completions");

    /// <summary>Whether a model is to compute: what a tokenizer answers is no matter for canaries, for another's tokens would mean nothing to the model.</summary>
    public bool IsForModel => Generates || EndsWith(Context, "/embeddings");

    public MirrorAsk ToMirror(ModelKey model) => new(model, Context.Request.Path.Value!, Body, Tenant, Session); // Routes have a path.

    private static bool EndsWith(HttpContext context, string end) => context.Request.Path.Value?.EndsWith(end, StringComparison.OrdinalIgnoreCase) == true;
}

/// <summary>Who is asked: the model that the client named, its adapter, or its canary.</summary>
/// <param name="Model">The model.</param>
/// <param name="Adapter">Its adapter; null for the model itself.</param>
/// <param name="Query">What the choice of a worker depends on.</param>
/// <param name="Prompt">The prompt's beginnings; null where no cache matters.</param>
internal sealed record Side(ModelKey Model, string? Adapter, RouteQuery Query, PromptPieces? Prompt);

/// <summary>What a client's request is counted as.</summary>
internal sealed class Visit
{
    /// <summary>The model that the client named, if there is one.</summary>
    public string Model { get; set; } = "unknown";

    /// <summary>The model's canary; null where it has none, or the request is none for it.</summary>
    public TrafficShare? Canary { get; set; }

    /// <summary>Who was asked last; null for nobody.</summary>
    public string? Target { get; set; }

    public void FirstByte(TimeSpan after)
    {
        GatewayMetrics.FirstByte.Observe(after.TotalSeconds);
        if (Canary is not null && Target is not null)
            GatewayMetrics.CanaryFirstByte.WithLabels(Model, Target).Observe(after.TotalSeconds);
    }

    public void End(string code)
    {
        GatewayMetrics.Requests.WithLabels(Model, code).Inc();
        if (Canary is not null && Target is not null)
            GatewayMetrics.CanaryRequests.WithLabels(Model, Target, code).Inc();
    }
}
