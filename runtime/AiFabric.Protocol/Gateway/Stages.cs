namespace AiFabric.Protocol.Gateway;

/// <summary>What a gateway posts to a function stage: one item, or the end of a group.</summary>
public sealed record StageRequest
{
    public required string Pipeline { get; init; }

    public required string Stage { get; init; }

    /// <summary>One for each client's request.</summary>
    public required string Run { get; init; }

    /// <summary>The item's ancestry: its index in each split that it went through, outermost first, as <c>2.0</c>. Empty when it went through none.</summary>
    public string? Item { get; set; }

    /// <summary>Texts by input. Null in the request that closes a group.</summary>
    public IReadOnlyDictionary<string, string>? Inputs { get; set; }

    /// <summary>With aggregation: the group's ancestry. All requests of one run and group come to one replica, as long as it lives.</summary>
    public string? Group { get; set; }

    /// <summary>The same item was sent before, to this replica or to one that was lost.</summary>
    public bool Duplicate { get; set; }

    /// <summary>With aggregation: the group has this many items, and all were taken. The answer is the group's.</summary>
    public int? Closed { get; set; }
}

/// <summary>One line of a function's answer.</summary>
public sealed record StageLine
{
    /// <summary>The next piece of the stage's text.</summary>
    public string? Text { get; init; }

    /// <summary>The item cannot be done; asking again would not help.</summary>
    public string? Error { get; init; }
}
