using AiFabric.Gateway.Limits;
using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>What one call of a model used: what its last event says, or, of a call that ended before it, what came and what its prompt has about.</summary>
/// <param name="promptBytes">Of the prompt's JSON.</param>
internal sealed class CallUsage(int promptBytes)
{
    private Usage? _said;
    private int _pieces;

    public Usage Usage
    {
        get
        {
            int prompt = (int)LimitKeeper.TokensOf(promptBytes);
            return _said ?? new Usage { PromptTokens = prompt, CompletionTokens = _pieces, TotalTokens = prompt + _pieces };
        }
    }

    public void Take(ChatCompletionChunk chunk)
    {
        _said = chunk.Usage ?? _said;
        if (chunk.Choices.Count > 0 && chunk.Choices[0].Delta.Content is { Length: > 0 })
            _pieces++;
    }
}
