namespace AiFabric.Operator.Gateways;

/// <summary>Asks the gateways what they route to.</summary>
internal interface IGatewayDirectory
{
    /// <summary>The routes of every gateway replica, at most about a second old.</summary>
    Task<GatewayView> AskAsync(CancellationToken cancellationToken);
}
