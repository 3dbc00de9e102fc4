using AiFabric.Protocol.Gateway;

namespace AiFabric.Operator.Gateways;

/// <summary>An order, and the base URL of the gateway that told it.</summary>
internal sealed record PlacedOrder(string Gateway, FinetuneOrder Order);

/// <summary>Asks the gateways what they route to and what they are asked for.</summary>
internal interface IGatewayDirectory
{
    /// <summary>The routes of every gateway replica, at most about a second old.</summary>
    Task<GatewayView> AskAsync(CancellationToken cancellationToken);

    /// <summary>The demand that every gateway replica sees, at most about half a second old.</summary>
    Task<DemandView> AskDemandAsync(CancellationToken cancellationToken);

    /// <summary>The finetuning jobs that clients asked for at the gateways and that have not ended, each once. Gateways that do not answer, or keep none, add nothing.</summary>
    Task<IReadOnlyList<PlacedOrder>> AskOrdersAsync(CancellationToken cancellationToken);

    /// <summary>Tells a gateway that nothing can become of an order. Not answered, it is told again at the next look.</summary>
    Task RefuseAsync(PlacedOrder placed, string message, CancellationToken cancellationToken);
}
