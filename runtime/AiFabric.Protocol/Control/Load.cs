namespace AiFabric.Protocol.Control;

/// <summary>Answer of <c>GET /control/load</c>: what a router or scaler needs to know of one worker.</summary>
public sealed record LoadReport
{
    /// <summary>Served base model.</summary>
    public required string Model { get; init; }

    /// <summary>Digest of the base weights.</summary>
    public required string ModelDigest { get; init; }

    /// <summary>Requests that are decoding or in prefill.</summary>
    public int RunningRequests { get; init; }

    /// <summary>Requests that wait for admission.</summary>
    public int QueuedRequests { get; init; }

    /// <summary>Prompt tokens that wait for prefill.</summary>
    public long QueuedPromptTokens { get; init; }

    public int TotalKvBlocks { get; init; }

    public int FreeKvBlocks { get; init; }

    /// <summary>Names of loaded adapters.</summary>
    public IReadOnlyList<string> Adapters { get; set; } = [];

    /// <summary>Training sessions the worker knows.</summary>
    public IReadOnlyList<TrainingStatus> Training { get; set; } = [];

    /// <summary>Fraction of tokens within the TPOT objective over the last minute; null without traffic.</summary>
    public double? TpotAttainment { get; init; }
}
