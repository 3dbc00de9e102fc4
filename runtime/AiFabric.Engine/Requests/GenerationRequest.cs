using AiFabric.Engine.Adapters;
using AiFabric.Engine.Constraints;

namespace AiFabric.Engine.Requests;

/// <summary>Identity of one sequence inside the engine.</summary>
public readonly record struct SequenceId(long Value);

/// <summary>What a client asks the engine to generate. Already tokenized and validated.</summary>
public sealed record GenerationRequest
{
    public required IReadOnlyList<int> PromptTokens { get; init; }

    /// <summary>Tokens generated at most.</summary>
    public required int MaxTokens { get; init; }

    public SamplingParameters Sampling { get; init; } = new();

    /// <summary>What the answer may be; null for anything. Needs <see cref="StopTokens"/>: they end the answer where it is complete, and nowhere else.</summary>
    public TokenConstraint? Constraint { get; init; }

    /// <summary>Loaded adapter whose rows are added; null for the base model.</summary>
    public string? Adapter { get; init; }

    /// <summary>The version of that adapter, which the caller holds; null for the one that has the name when the request is submitted.</summary>
    public AdapterHold? Held { get; init; }

    /// <summary>Token ids that end the sequence (reported as <see cref="FinishReason.Stop"/>); empty to ignore end of text.</summary>
    public IReadOnlyList<int> StopTokens { get; init; } = [];

    /// <summary>Requests share cached prompt blocks only with equal salts, so that tenants neither read nor time each other's. Null is one salt like others.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>Whose request it is: tenants share the engine fairly and the cache not at all. Null is a tenant like others.</summary>
    public string? Tenant { get; init; }

    /// <summary>Names of the prompt's beginnings, shortest first, under which <see cref="KvCache.PrefixLedger"/> lists those that are cached.</summary>
    public IReadOnlyList<PrefixName> PrefixNames { get; init; } = [];

    /// <summary>Among a tenant's waiting requests lower numbers go first; equals in the order of their arrival, less their <see cref="Age"/>. Running ones stay.</summary>
    public int Priority { get; init; }

    /// <summary>
    /// How long the work that this is a part of was under way when this came. Parts of older work are admitted first, or the early parts of
    /// young work would stand before the last parts of old. Latency objectives count from this request's own arrival.
    /// </summary>
    public TimeSpan Age { get; init; }

    /// <summary>
    /// A copy of a request, whose answer nobody waits for: all others are admitted before it and it gives way to them, no objective holds for it, and it is counted apart.
    /// </summary>
    public bool IsCopy { get; init; }

    /// <summary>Number of most likely tokens reported beside each sampled one; null reports no log probabilities.</summary>
    public int? TopLogprobs { get; init; }

    /// <summary>Whose places it takes among those that wait. All copies are one tenant's, whose name no other can have, so that they leave others room.</summary>
    internal string? PlaceHolder => IsCopy ? "/copies" : Tenant;

    /// <summary>Whether a token ends the answer.</summary>
    internal bool IsStop(int token)
    {
        for (int i = 0; i < StopTokens.Count; i++)
        {
            if (StopTokens[i] == token)
                return true;
        }
        return false;
    }
}

/// <summary>A number added to one token's logit.</summary>
/// <param name="Token">Its id.</param>
/// <param name="Bias">The number.</param>
public readonly record struct TokenBias(int Token, float Bias);

/// <summary>How the next token is drawn. Applied in order: biases, penalties, the request's constraint, temperature, top-k, top-p, min-p, draw.</summary>
public sealed record SamplingParameters
{
    /// <summary>0 is greedy.</summary>
    public double Temperature { get; init; } = 1.0;

    /// <summary>0 keeps all.</summary>
    public int TopK { get; init; }

    public double TopP { get; init; } = 1.0;

    public double MinP { get; init; }

    /// <summary>Subtracted once per earlier occurrence in the output.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Subtracted when the token occurred in the output.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens in prompt or output; 1 is off.</summary>
    public double RepetitionPenalty { get; init; } = 1.0;

    /// <summary>Added to the logits of some tokens before the penalties.</summary>
    public IReadOnlyList<TokenBias> Biases { get; init; } = [];

    /// <summary>Tokens generated before a stop token can be drawn.</summary>
    public int MinTokens { get; init; }

    /// <summary>Same seed, same prompt, same output. Null draws a seed.</summary>
    public long? Seed { get; init; }
}

public enum FinishReason
{
    /// <summary>A stop token was drawn.</summary>
    Stop,

    /// <summary>MaxTokens or the context length was reached.</summary>
    Length,

    /// <summary>The client left or the engine stopped.</summary>
    Cancelled,

    /// <summary>The engine failed; <see cref="TokenEvent.Error"/> says why.</summary>
    Error,
}

/// <summary>One generated token, or the end of the sequence. Every sequence ends with exactly one event that has a <see cref="Finish"/>.</summary>
public sealed record TokenEvent
{
    /// <summary>The token; null on an end that brings none (cancelled, error).</summary>
    public int? Token { get; init; }

    /// <summary>Natural log probability under the model's distribution before temperature and filters; null when not asked for.</summary>
    public double? Logprob { get; init; }

    public IReadOnlyList<TokenProbability>? TopLogprobs { get; init; }

    public FinishReason? Finish { get; init; }

    public string? Error { get; init; }

    /// <summary>Prompt tokens served from the cache; known with the first token.</summary>
    public int CachedTokens { get; init; }
}

public readonly record struct TokenProbability(int Token, double Logprob);
