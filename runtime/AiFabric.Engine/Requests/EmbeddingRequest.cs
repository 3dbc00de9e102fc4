using AiFabric.Engine.Adapters;

namespace AiFabric.Engine.Requests;

/// <summary>A text whose vector is wanted. Already tokenized and validated.</summary>
public sealed record EmbeddingRequest
{
    public required IReadOnlyList<int> Tokens { get; init; }

    /// <summary>Loaded adapter whose rows are added; null for the base model.</summary>
    public string? Adapter { get; init; }

    /// <summary>As in <see cref="GenerationRequest.Held"/>.</summary>
    public AdapterHold? Held { get; init; }

    /// <summary>Whose request it is, as in <see cref="GenerationRequest.Tenant"/>.</summary>
    public string? Tenant { get; init; }

    /// <summary>As in <see cref="GenerationRequest.Priority"/>.</summary>
    public int Priority { get; init; }

    /// <summary>As in <see cref="GenerationRequest.Age"/>.</summary>
    public TimeSpan Age { get; init; }

    /// <summary>As in <see cref="GenerationRequest.IsCopy"/>.</summary>
    public bool IsCopy { get; init; }

    /// <summary>The same as a prompt after which nothing is generated.</summary>
    internal GenerationRequest AsPrompt() => new()
    {
        PromptTokens = Tokens,
        MaxTokens = 0,
        Adapter = Adapter,
        Held = Held,
        Tenant = Tenant,
        Priority = Priority,
        Age = Age,
        IsCopy = IsCopy,
    };
}
