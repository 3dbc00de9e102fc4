namespace AiFabric.Protocol.Gateway;

/// <summary>Answer of the gateway's <c>GET /internal/routes</c>: what it really routes to.</summary>
public sealed record RouteReport
{
    public required IReadOnlyList<RouteEntry> Routes { get; init; }

    /// <summary>Pipelines that it serves.</summary>
    public IReadOnlyList<PipelineEntry> Pipelines { get; set; } = [];

    /// <summary>Canaries and mirrors by which it routes; null for none.</summary>
    public IReadOnlyList<TrafficEntry>? Traffic { get; init; }
}

/// <summary>A part of a model's requests that goes, or is copied, to another model or to an adapter.</summary>
public sealed record TrafficEntry
{
    public required string Namespace { get; init; }

    /// <summary>Name of the CoServedModel whose requests they are.</summary>
    public required string Model { get; init; }

    /// <summary>Whether they are copied; else they are sent there.</summary>
    public required bool IsMirror { get; init; }

    /// <summary>Name of the CoServedModel that gets them.</summary>
    public required string Target { get; init; }

    /// <summary>Its adapter that gets them; null for the model itself.</summary>
    public string? Adapter { get; init; }

    /// <summary>Requests of a hundred.</summary>
    public required int Percent { get; init; }

    /// <summary>Whether it has a worker to send them to. While it has none nothing is sent there.</summary>
    public required bool IsReady { get; init; }
}

/// <summary>One worker pod in the routing table.</summary>
public sealed record RouteEntry
{
    public required string Namespace { get; init; }

    public required string Pod { get; init; }

    public required string PodUid { get; init; }

    /// <summary>Name of the CoServedModel resource.</summary>
    public required string Model { get; init; }

    /// <summary>Name in OpenAI's model field.</summary>
    public required string ServedName { get; init; }

    public required string Revision { get; init; }

    /// <summary>Adapters the worker itself listed.</summary>
    public required IReadOnlyList<string> Adapters { get; init; }
}

/// <summary>A pipeline that the gateway serves.</summary>
public sealed record PipelineEntry
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    /// <summary>Generation of the resource by which it runs.</summary>
    public required long Generation { get; init; }

    /// <summary>Uids of the pods that it calls for function stages, sorted.</summary>
    public IReadOnlyList<string> Functions { get; set; } = [];
}
