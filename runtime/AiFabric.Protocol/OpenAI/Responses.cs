using System.Text.Json.Serialization;

namespace AiFabric.Protocol.OpenAI;

/// <summary>Tokens that a request cost.</summary>
public sealed record Usage
{
    public required int PromptTokens { get; init; }

    public required int CompletionTokens { get; init; }

    public required int TotalTokens { get; init; }

    public PromptTokensDetails? PromptTokensDetails { get; init; }
}

public sealed record PromptTokensDetails
{
    /// <summary>Prompt tokens whose keys and values were found in the cache.</summary>
    public int CachedTokens { get; init; }
}

/// <summary>Log probability of one token.</summary>
public sealed record TokenLogprob
{
    public required string Token { get; init; }

    /// <summary>Natural logarithm.</summary>
    public required double Logprob { get; init; }

    /// <summary>UTF-8 bytes of the token.</summary>
    public required IReadOnlyList<int> Bytes { get; init; }

    public IReadOnlyList<TokenLogprob>? TopLogprobs { get; init; }
}

public sealed record ChatLogprobs
{
    public required IReadOnlyList<TokenLogprob> Content { get; init; }
}

public sealed record ChatCompletion
{
    public required string Id { get; init; }

    public string Object { get; set; } = "chat.completion";

    /// <summary>Unix seconds.</summary>
    public required long Created { get; init; }

    public required string Model { get; init; }

    public required IReadOnlyList<ChatChoice> Choices { get; init; }

    public required Usage Usage { get; init; }

    /// <summary>Of a pipeline: soft stages that failed, so that the answer rests on what they had made.</summary>
    public IReadOnlyList<string>? PartialStages { get; init; }
}

public sealed record ChatChoice
{
    public required int Index { get; init; }

    public required AssistantMessage Message { get; init; }

    public ChatLogprobs? Logprobs { get; init; }

    public required string FinishReason { get; init; }
}

public sealed record AssistantMessage
{
    public string Role { get; set; } = "assistant";

    /// <summary>Null where the answer has nothing but calls.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public required string? Content { get; init; }

    public IReadOnlyList<ToolCall>? ToolCalls { get; init; }
}

/// <summary>A call of a tool, whole or, in a stream, a piece of one.</summary>
public sealed record ToolCall
{
    /// <summary>Of a piece: which of the answer's calls it belongs to.</summary>
    public int? Index { get; init; }

    /// <summary>What the tool's answer refers to; null in all but a call's first piece.</summary>
    public string? Id { get; init; }

    /// <summary><c>function</c>; null in all but a call's first piece.</summary>
    public string? Type { get; init; }

    public required FunctionCall Function { get; init; }
}

public sealed record FunctionCall
{
    /// <summary>Null in all but a call's first piece.</summary>
    public string? Name { get; init; }

    /// <summary>JSON as the model wrote it, or a piece of it.</summary>
    public required string Arguments { get; init; }
}

public sealed record ChatCompletionChunk
{
    public required string Id { get; init; }

    public string Object { get; set; } = "chat.completion.chunk";

    public required long Created { get; init; }

    public required string Model { get; init; }

    public required IReadOnlyList<ChatChunkChoice> Choices { get; init; }

    public Usage? Usage { get; init; }

    /// <summary>Of a pipeline, in the last chunk: soft stages that failed, so that the answer rests on what they had made.</summary>
    public IReadOnlyList<string>? PartialStages { get; init; }
}

public sealed record ChatChunkChoice
{
    public required int Index { get; init; }

    public required ChatDelta Delta { get; init; }

    public ChatLogprobs? Logprobs { get; init; }

    public string? FinishReason { get; init; }
}

public sealed record ChatDelta
{
    public string? Role { get; init; }

    public string? Content { get; init; }

    public IReadOnlyList<ToolCall>? ToolCalls { get; init; }
}

/// <summary>Answer, and with <c>stream</c> each chunk, of <c>POST /v1/completions</c>.</summary>
public sealed record Completion
{
    public required string Id { get; init; }

    public string Object { get; set; } = "text_completion";

    public required long Created { get; init; }

    public required string Model { get; init; }

    public required IReadOnlyList<CompletionChoice> Choices { get; init; }

    public Usage? Usage { get; init; }
}

public sealed record CompletionChoice
{
    public required int Index { get; init; }

    public required string Text { get; init; }

    public CompletionLogprobs? Logprobs { get; init; }

    public string? FinishReason { get; init; }
}

public sealed record CompletionLogprobs
{
    public required IReadOnlyList<string> Tokens { get; init; }

    public required IReadOnlyList<double> TokenLogprobs { get; init; }

    public required IReadOnlyList<int> TextOffset { get; init; }

    /// <summary>Most likely tokens at each place, by text; null when none were asked for.</summary>
    public IReadOnlyList<IReadOnlyDictionary<string, double>>? TopLogprobs { get; init; }
}

/// <summary>Answer of <c>GET /v1/models</c>.</summary>
public sealed record ModelList
{
    public string Object { get; set; } = "list";

    public required IReadOnlyList<ModelCard> Data { get; init; }
}

public sealed record ModelCard
{
    public required string Id { get; init; }

    public string Object { get; set; } = "model";

    public required long Created { get; init; }

    public string OwnedBy { get; set; } = "aifabric";

    /// <summary>Base model of an adapter.</summary>
    public string? Parent { get; init; }

    /// <summary>Context length in tokens.</summary>
    public int? MaxModelLen { get; init; }
}

/// <summary>Data of an event <c>aifabric.stage</c>: a whole text that a pipeline's stage made.</summary>
public sealed record IntermediateResult
{
    public required string Stage { get; init; }

    /// <summary>The item's ancestry: its index in each split that it went through.</summary>
    public required string Item { get; init; }

    public required string Text { get; init; }
}

/// <summary>OpenAI's error envelope.</summary>
public sealed record ErrorResponse
{
    public required ErrorBody Error { get; init; }
}

public sealed record ErrorBody
{
    public required string Message { get; init; }

    /// <summary>invalid_request_error, authentication_error, rate_limit_error, server_error.</summary>
    public required string Type { get; init; }

    /// <summary>The field at fault.</summary>
    public string? Param { get; init; }

    /// <summary>model_not_found, context_length_exceeded, …</summary>
    public string? Code { get; init; }
}
