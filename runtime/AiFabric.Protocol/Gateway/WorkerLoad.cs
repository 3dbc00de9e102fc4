namespace AiFabric.Protocol.Gateway;

/// <summary>Answer of <c>GET /load?since=CURSOR</c> on a worker's serving port: what a router needs to know of it.</summary>
public sealed record WorkerLoad
{
    /// <summary>Requests that are decoding or in prefill.</summary>
    public int RunningRequests { get; init; }

    /// <summary>Requests that wait for admission.</summary>
    public int QueuedRequests { get; init; }

    /// <summary>Prompt tokens that wait for prefill.</summary>
    public long QueuedPromptTokens { get; init; }

    public int TotalKvBlocks { get; init; }

    /// <summary>Blocks that no running request holds; cached prefixes may lie in them.</summary>
    public int FreeKvBlocks { get; init; }

    /// <summary>Which beginnings of prompts lie in the cache, as it differs from the cursor's; null from a worker that keeps none.</summary>
    public PrefixChanges? Prefixes { get; init; }
}

/// <summary>Digests (<see cref="PromptPieces"/>) of prompts' beginnings that came into a cache or left it.</summary>
public sealed record PrefixChanges
{
    /// <summary>Names the state after these changes, for the next question. Opaque.</summary>
    public required string Cursor { get; init; }

    /// <summary><see cref="Added"/> is all there is: the cursor asked with is unknown or too old.</summary>
    public bool IsWhole { get; init; }

    /// <summary>8 bytes each, little-endian.</summary>
    public required ReadOnlyMemory<byte> Added { get; init; }

    /// <summary>8 bytes each, little-endian.</summary>
    public required ReadOnlyMemory<byte> Removed { get; init; }
}
