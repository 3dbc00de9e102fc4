namespace AiFabric.Operator.Gateways;

/// <summary>Asks the gateways what they route to and what they are asked for.</summary>
internal interface IGatewayDirectory
{
    /// <summary>The routes of every gateway replica, at most about a second old.</summary>
    Task<GatewayView> AskAsync(CancellationToken cancellationToken);

    /// <summary>The demand that every gateway replica sees, at most about half a second old.</summary>
    Task<DemandView> AskDemandAsync(CancellationToken cancellationToken);
}
