using System.Text.Json;

namespace AiFabric.Protocol.OpenAI;

/// <summary>Body of <c>POST /tokenize</c>: a prompt or messages.</summary>
/// <remarks>Source: vLLM's <c>TokenizeCompletionRequest</c> and <c>TokenizeChatRequest</c>.</remarks>
public sealed record TokenizeRequest
{
    public string? Model { get; init; }

    public string? Prompt { get; init; }

    public IReadOnlyList<ChatMessage>? Messages { get; init; }

    /// <summary>For messages: as in <see cref="ChatCompletionRequest.Tools"/>.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Whether the tokens that open a text are added; without it true for a prompt, false for messages, whose template writes them.</summary>
    public bool? AddSpecialTokens { get; init; }

    /// <summary>For messages: whether the prompt ends where the assistant's answer begins; true without it.</summary>
    public bool? AddGenerationPrompt { get; init; }

    /// <summary>For messages: as in <see cref="ChatCompletionRequest.ChatTemplateKwargs"/>.</summary>
    public JsonElement? ChatTemplateKwargs { get; init; }

    /// <summary>Whether the answer spells the tokens too.</summary>
    public bool? ReturnTokenStrs { get; init; }
}

/// <summary>Answer of <c>POST /tokenize</c>.</summary>
public sealed record TokenizeResponse
{
    public required int Count { get; init; }

    /// <summary>Context length in tokens.</summary>
    public required int MaxModelLen { get; init; }

    public required IReadOnlyList<int> Tokens { get; init; }

    /// <summary>The text of each token; null when it was not asked for.</summary>
    public IReadOnlyList<string>? TokenStrs { get; init; }
}

/// <summary>Body of <c>POST /detokenize</c>.</summary>
public sealed record DetokenizeRequest
{
    public string? Model { get; init; }

    public IReadOnlyList<int>? Tokens { get; init; }
}

/// <summary>Answer of <c>POST /detokenize</c>.</summary>
public sealed record DetokenizeResponse
{
    public required string Prompt { get; init; }
}
