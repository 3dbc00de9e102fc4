using System.Text.Json;

namespace AiFabric.Protocol.OpenAI;

/// <summary>Fields that both completion endpoints share. Absent fields are null; ranges are checked by the worker.</summary>
/// <remarks>Source: OpenAI API reference; <c>top_k</c>, <c>min_p</c>, <c>repetition_penalty</c>, <c>ignore_eos</c>, <c>cache_salt</c>, <c>priority</c> and those below that say so, as in vLLM.</remarks>
public abstract record GenerationRequestBody
{
    public string? Model { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    public int? TopK { get; init; }

    public double? MinP { get; init; }

    public double? FrequencyPenalty { get; init; }

    public double? PresencePenalty { get; init; }

    public double? RepetitionPenalty { get; init; }

    public int? MaxTokens { get; init; }

    /// <summary>A string or a list of up to 4 strings.</summary>
    public JsonElement? Stop { get; init; }

    public long? Seed { get; init; }

    public int? N { get; init; }

    public bool? Stream { get; init; }

    public StreamOptions? StreamOptions { get; init; }

    public bool? IgnoreEos { get; init; }

    /// <summary>Requests share cached prompt beginnings only with requests of the same salt; as in vLLM.</summary>
    public string? CacheSalt { get; init; }

    /// <summary>Lower is earlier, 0 without it; as in vLLM. Orders one tenant's waiting requests among themselves.</summary>
    public int? Priority { get; init; }

    public string? User { get; init; }

    /// <summary><c>{type: text}</c>, <c>{type: json_object}</c> or <c>{type: json_schema, json_schema: {name, schema, strict, description}}</c>.</summary>
    public JsonElement? ResponseFormat { get; init; }

    /// <summary>One of <c>json</c>, <c>regex</c>, <c>choice</c>, <c>json_object</c>; as in vLLM.</summary>
    public JsonElement? StructuredOutputs { get; init; }

    /// <summary>vLLM's older name for <c>structured_outputs.json</c>.</summary>
    public JsonElement? GuidedJson { get; init; }

    /// <summary>vLLM's older name for <c>structured_outputs.regex</c>.</summary>
    public JsonElement? GuidedRegex { get; init; }

    /// <summary>vLLM's older name for <c>structured_outputs.choice</c>.</summary>
    public JsonElement? GuidedChoice { get; init; }

    /// <summary>Numbers from -100 to 100 by token id.</summary>
    public JsonElement? LogitBias { get; init; }

    /// <summary>Tokens that end an answer besides the model's own; as in vLLM.</summary>
    public JsonElement? StopTokenIds { get; init; }

    /// <summary>Tokens before the answer may end; as in vLLM.</summary>
    public int? MinTokens { get; init; }
}

public sealed record StreamOptions
{
    public bool? IncludeUsage { get; init; }

    /// <summary>For pipelines: what the stages make comes as events named <c>aifabric.stage</c> beside the answer.</summary>
    public bool? IncludeIntermediate { get; init; }
}

/// <summary>Body of <c>POST /v1/chat/completions</c>.</summary>
public sealed record ChatCompletionRequest : GenerationRequestBody
{
    public IReadOnlyList<ChatMessage>? Messages { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public bool? Logprobs { get; init; }

    public int? TopLogprobs { get; init; }

    /// <summary>A list of <c>{type: function, function: {name, description, parameters, strict}}</c>.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary><c>none</c>, <c>auto</c>, <c>required</c> or <c>{type: function, function: {name}}</c>.</summary>
    public JsonElement? ToolChoice { get; init; }

    /// <summary>Whether an answer may call several tools; true without it.</summary>
    public bool? ParallelToolCalls { get; init; }

    /// <summary>More variables of the chat template, such as <c>enable_thinking</c>; as in vLLM.</summary>
    public JsonElement? ChatTemplateKwargs { get; init; }
}

/// <summary>One message. <see cref="Content"/> is a string or a list of <c>{type: text, text}</c> parts.</summary>
public sealed record ChatMessage
{
    public string? Role { get; init; }

    /// <summary>Of an assistant: a list of <c>{id, type: function, function: {name, arguments}}</c>.</summary>
    public JsonElement? ToolCalls { get; init; }

    /// <summary>Of a tool: the call that it answers.</summary>
    public string? ToolCallId { get; init; }

    public JsonElement? Content { get; init; }

    public string? Name { get; init; }
}

/// <summary>Body of <c>POST /v1/completions</c>. <see cref="Prompt"/> is a string, a list of one string, or a list of token ids.</summary>
public sealed record CompletionRequest : GenerationRequestBody
{
    public JsonElement? Prompt { get; init; }

    public bool? Echo { get; init; }

    public int? Logprobs { get; init; }
}
