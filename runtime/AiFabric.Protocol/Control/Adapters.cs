namespace AiFabric.Protocol.Control;

/// <summary>Body of <c>PUT /control/adapters/{name}</c>: loads the adapter, served from then on as <c>model:name</c>. Idempotent by URI and digest.</summary>
public sealed record AdapterRequest
{
    /// <summary>PEFT folder, <c>file://</c>.</summary>
    public required string Uri { get; init; }

    /// <summary><c>sha256:…</c> of its files; another content is refused with 409. Null accepts what is there.</summary>
    public string? Digest { get; init; }
}

/// <summary>Answer of <c>PUT</c> and entry of <c>GET /control/adapters</c>.</summary>
public sealed record AdapterStatus
{
    public required string Name { get; init; }

    public required string Digest { get; init; }

    public int Rank { get; init; }
}

/// <summary>Answer of <c>GET /control/adapters</c>.</summary>
public sealed record AdapterList
{
    public required IReadOnlyList<AdapterStatus> Adapters { get; init; }
}
