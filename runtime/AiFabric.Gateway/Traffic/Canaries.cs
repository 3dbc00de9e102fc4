using AiFabric.Gateway.Demand;
using AiFabric.Gateway.Routing;

namespace AiFabric.Gateway.Traffic;

/// <summary>What becomes of a request with respect to its model's canary.</summary>
/// <param name="Share">The canary's part; null where the model has no canary, or the request is none for it.</param>
/// <param name="To">Workers of the canary, which is to answer; null when the model itself is.</param>
public readonly record struct CanaryChoice(TrafficShare? Share, IReadOnlyList<WorkerEndpoint>? To)
{
    /// <summary>Neither.</summary>
    public static CanaryChoice None => default;
}

/// <summary>Chooses between a model and its canary.</summary>
public sealed class Canaries(TrafficDraw draw, DemandBook demand)
{
    /// <summary>Draws for one request. A canary without a worker gets none, but is woken if it sleeps.</summary>
    /// <param name="table">Who serves what.</param>
    /// <param name="model">The model that the client named.</param>
    /// <param name="session">Names the client's session; null without one.</param>
    public CanaryChoice Choose(RoutingTable table, ModelKey model, ulong? session)
    {
        if (!table.Declared.TryGetValue(model, out DeclaredModel? declared) || declared.Canary is not { } canary)
            return CanaryChoice.None;
        if (!draw.Takes(canary, model, isMirror: false, session))
            return new CanaryChoice(canary, null);
        RouteChoice choice = table.Of(canary.Model, canary.Adapter);
        if (choice is RouteChoice.To to)
            return new CanaryChoice(canary, to.Workers);
        StaysBehind(declared.ServedName, canary, CanaryFallback.NotReady);
        if (choice is RouteChoice.NotReady)
            demand.Count(canary.Model).Dispose(); // Asked for just now: that keeps a model awake for a while.
        return new CanaryChoice(canary, null);
    }

    /// <summary>Counts a request that was the canary's, and that the model itself answers.</summary>
    public static void StaysBehind(string model, TrafficShare canary, CanaryFallback reason) =>
        GatewayMetrics.CanaryFallbacks.WithLabels(model, canary.Target, reason.ToString()).Inc();
}

/// <summary>Why the model itself answers a request that was its canary's.</summary>
public enum CanaryFallback
{
    /// <summary>The canary has no worker.</summary>
    NotReady,

    /// <summary>Its worker failed or refused before the first byte.</summary>
    Failed,
}
