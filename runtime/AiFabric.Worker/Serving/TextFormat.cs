using System.Text;
using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Streaming;

namespace AiFabric.Worker.Serving;

/// <summary>Answers of <c>/v1/completions</c>.</summary>
internal sealed class TextFormat(GenerationPlan plan, HuggingFaceTokenizer tokenizer, DateTimeOffset now) : IReplyFormat
{
    public string Id { get; } = $"cmpl-{Guid.NewGuid():N}";

    public byte[]? Opening(int choice) => plan.Echo is { Length: > 0 } echo ? Serialize([new CompletionChoice { Index = choice, Text = echo }], null) : null;

    public byte[] Chunk(int choice, ChoicePiece piece) => Serialize([Choice(choice, piece.Text, piece)], null);

    public byte[] UsageChunk(Usage usage) => Serialize([], usage);

    public byte[] Whole(IReadOnlyList<ChoicePiece> choices, Usage usage) =>
        Serialize([.. choices.Select((choice, index) => Choice(index, plan.Echo + choice.Text, choice))], usage);

    private CompletionChoice Choice(int index, string text, ChoicePiece piece) => new()
    {
        Index = index,
        Text = text,
        FinishReason = piece.Finish,
        Logprobs = plan.Request.TopLogprobs is { } top ? LogprobsOf(piece.Tokens, top) : null,
    };

    private CompletionLogprobs LogprobsOf(IReadOnlyList<TokenEntry> tokens, int top) => new()
    {
        Tokens = [.. tokens.Select(t => TextOf(t.Token))],
        TokenLogprobs = [.. tokens.Select(t => t.Logprob)],
        TextOffset = [.. tokens.Select(t => t.TextOffset)],
        TopLogprobs = top == 0 ? null : [.. tokens.Select(TopOf)],
    };

    // Different tokens can read alike (halves of characters do); the likeliest keeps the name.
    private IReadOnlyDictionary<string, double> TopOf(TokenEntry token)
    {
        var top = new Dictionary<string, double>();
        foreach (var other in token.Top)
            top.TryAdd(TextOf(other.Token), other.Logprob);
        return top;
    }

    private string TextOf(int token) => Encoding.UTF8.GetString(tokenizer.TokenBytes(token));

    private byte[] Serialize(IReadOnlyList<CompletionChoice> choices, Usage? usage) => JsonSerializer.SerializeToUtf8Bytes(
        new Completion { Id = Id, Created = now.ToUnixTimeSeconds(), Model = plan.Model, Choices = choices, Usage = usage },
        OpenAIJson.Default.Completion);
}
