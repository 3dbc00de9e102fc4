namespace AiFabric.Protocol.Gateway;

/// <summary>
/// Answer of the gateway's <c>GET /internal/finetuning</c>: the finetuning jobs that clients asked for and that have not ended. The gateway writes
/// nothing to the API server: the operator reads this and makes, suspends or deletes a FinetuneJob for each.
/// </summary>
public sealed record FinetuneOrders
{
    public required IReadOnlyList<FinetuneOrder> Orders { get; init; }
}

/// <summary>One job that a client asked for.</summary>
public sealed record FinetuneOrder
{
    /// <summary>Id at the gateway, and the name of the FinetuneJob.</summary>
    public required string Id { get; init; }

    /// <summary>Of the model, and so of the FinetuneJob.</summary>
    public required string Namespace { get; init; }

    /// <summary>Name of the CoServedModel.</summary>
    public required string Model { get; init; }

    public required string AdapterName { get; init; }

    /// <summary>JSON lines to train on, where workers find them.</summary>
    public required string DatasetUri { get; init; }

    /// <summary><c>Text</c>, <c>PromptCompletion</c> or <c>Chat</c>.</summary>
    public required string Format { get; init; }

    public string? EvalUri { get; init; }

    public int? Epochs { get; init; }

    public int? BatchSize { get; init; }

    /// <summary>Decimal string.</summary>
    public string? LearningRate { get; init; }

    public long? Seed { get; init; }

    /// <summary>Whether the client wants it to pause.</summary>
    public bool Suspend { get; init; }

    /// <summary>How often the client said that it shall pause or go on. What it said last counts until somebody changes the FinetuneJob itself.</summary>
    public int PauseCalls { get; init; }

    /// <summary>Whether the client wants it to end: its FinetuneJob is to be deleted.</summary>
    public bool Cancel { get; init; }

    /// <summary>Whether the gateway has seen its FinetuneJob: it is not made a second time when somebody deletes it.</summary>
    public bool Taken { get; init; }
}

/// <summary>Body of <c>POST /internal/finetuning/{id}/refusal</c>: the API server takes no FinetuneJob for this order.</summary>
public sealed record OrderRefusal
{
    public required string Message { get; init; }
}
