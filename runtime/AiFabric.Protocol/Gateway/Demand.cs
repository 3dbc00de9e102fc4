namespace AiFabric.Protocol.Gateway;

/// <summary>Answer of the gateway's <c>GET /internal/demand</c>: what one replica was asked for. Demand of several replicas adds up.</summary>
public sealed record DemandReport
{
    /// <summary>Models that were asked for since the replica started; for others there was no demand.</summary>
    public required IReadOnlyList<ModelDemand> Models { get; init; }
}

/// <summary>Requests for one model.</summary>
public sealed record ModelDemand
{
    public required string Namespace { get; init; }

    /// <summary>Name of the CoServedModel resource.</summary>
    public required string Model { get; init; }

    /// <summary>Requests that have not ended, those held included.</summary>
    public required int Requests { get; init; }

    /// <summary>Of these, held because no worker is there.</summary>
    public int Held { get; set; }

    /// <summary>Exponentially weighted average of <see cref="Requests"/> over the last seconds.</summary>
    public required double Average { get; init; }

    /// <summary>Seconds since a request was last under way; 0 while one is.</summary>
    public double? IdleSeconds { get; set; }
}
