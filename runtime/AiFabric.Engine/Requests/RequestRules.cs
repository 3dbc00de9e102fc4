namespace AiFabric.Engine.Requests;

/// <summary>What every engine asks of a request.</summary>
internal static class RequestRules
{
    /// <exception cref="EngineRejectedException">There are no tokens, or one is not of the vocabulary.</exception>
    public static void RequireTokens(IReadOnlyList<int> tokens, int vocabulary, string field)
    {
        if (tokens.Count == 0)
            throw new EngineRejectedException(RejectionCodes.InvalidRequest, $"The {field} has no tokens.", field);
        foreach (int token in tokens)
        {
            if ((uint)token >= (uint)vocabulary)
                throw new EngineRejectedException(RejectionCodes.InvalidRequest, $"{token} is not a token of this model.", field);
        }
    }

    /// <exception cref="EngineRejectedException">
    /// The prompt leaves no room for one token more, no token is asked for, or a token is named that the vocabulary does not have.
    /// </exception>
    public static void Require(GenerationRequest request, int vocabulary, int context)
    {
        RequireTokens(request.PromptTokens, vocabulary, "prompt");
        if (request.MaxTokens < 1)
            throw new EngineRejectedException(RejectionCodes.InvalidRequest, $"max_tokens is {request.MaxTokens}; it must be at least 1.", "max_tokens");
        foreach (var bias in request.Sampling.Biases)
        {
            if ((uint)bias.Token >= (uint)vocabulary)
                throw new EngineRejectedException(RejectionCodes.InvalidRequest, $"{bias.Token} is not a token of this model.", "logit_bias");
        }
        foreach (int token in request.StopTokens)
        {
            if ((uint)token >= (uint)vocabulary)
                throw new EngineRejectedException(RejectionCodes.InvalidRequest, $"{token} is not a token of this model.", "stop_token_ids");
        }
        if (request.Constraint is not null && request.StopTokens.Count == 0)
            throw new EngineRejectedException(RejectionCodes.InvalidRequest, "A constrained answer needs a token that ends it.", "response_format");
        if (request.PromptTokens.Count >= context)
        {
            throw new EngineRejectedException(
                RejectionCodes.ContextLengthExceeded,
                $"The prompt has {request.PromptTokens.Count} tokens; with at least one more it exceeds the context of {context} tokens.", "messages");
        }
    }

    /// <exception cref="EngineRejectedException">The input is longer than the context.</exception>
    public static void Require(EmbeddingRequest request, int vocabulary, int context)
    {
        RequireTokens(request.Tokens, vocabulary, "input");
        if (request.Tokens.Count > context)
        {
            throw new EngineRejectedException(
                RejectionCodes.ContextLengthExceeded, $"The input has {request.Tokens.Count} tokens; the context holds {context}.", "input");
        }
    }
}
