using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Streaming;

/// <summary>Log probability of one token and where its text begins in the answer.</summary>
internal sealed record TokenEntry(int Token, double Logprob, IReadOnlyList<AiFabric.Engine.Requests.TokenProbability> Top, int TextOffset);

/// <summary>A piece of one answer.</summary>
/// <param name="Text">Whole characters; may be empty at the end.</param>
/// <param name="Tokens">Log probabilities of the tokens it ends, when asked for.</param>
/// <param name="Finish">Set on the last piece: stop, length or tool_calls.</param>
/// <param name="CompletionTokens">Tokens generated so far.</param>
/// <param name="CachedTokens">Prompt tokens found in the cache.</param>
internal sealed record ChoicePiece(string Text, IReadOnlyList<TokenEntry> Tokens, string? Finish, int CompletionTokens, int CachedTokens)
{
    /// <summary>What it has of calls.</summary>
    public IReadOnlyList<CallPiece> Calls { get; init; } = [];
}
