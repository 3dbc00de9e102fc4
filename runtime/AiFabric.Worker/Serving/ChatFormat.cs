using System.Text;
using System.Text.Json;
using AiFabric.Engine.Tokenization;
using AiFabric.Protocol;
using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Streaming;
using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Serving;

/// <summary>Answers of <c>/v1/chat/completions</c>.</summary>
internal sealed class ChatFormat(string model, bool logprobs, HuggingFaceTokenizer tokenizer, DateTimeOffset now) : IReplyFormat
{
    public string Id { get; } = $"chatcmpl-{Guid.NewGuid():N}";

    public byte[]? Opening(int choice) => Chunk(choice, new ChatDelta { Role = "assistant", Content = "" }, null, null);

    public byte[] Chunk(int choice, ChoicePiece piece) =>
        Chunk(choice, new ChatDelta { Content = piece.Text.Length > 0 ? piece.Text : null, ToolCalls = PiecesOf(piece.Calls) }, LogprobsOf(piece), piece.Finish);

    public byte[] UsageChunk(Usage usage) => Serialize([], usage);

    public byte[] Whole(IReadOnlyList<ChoicePiece> choices, Usage usage) => JsonSerializer.SerializeToUtf8Bytes(
        new ChatCompletion
        {
            Id = Id,
            Created = now.ToUnixTimeSeconds(),
            Model = model,
            Choices = [.. choices.Select((choice, index) => new ChatChoice
            {
                Index = index,
                Message = new AssistantMessage { Content = choice.Text.Length == 0 && choice.Calls.Count > 0 ? null : choice.Text, ToolCalls = CallsOf(choice.Calls) },
                Logprobs = LogprobsOf(choice),
                FinishReason = choice.Finish ?? "stop",
            })],
            Usage = usage,
        },
        OpenAIJson.Default.ChatCompletion);

    private byte[] Chunk(int choice, ChatDelta delta, ChatLogprobs? tokens, string? finish) =>
        Serialize([new ChatChunkChoice { Index = choice, Delta = delta, Logprobs = tokens, FinishReason = finish }], null);

    private byte[] Serialize(IReadOnlyList<ChatChunkChoice> choices, Usage? usage) => JsonSerializer.SerializeToUtf8Bytes(
        new ChatCompletionChunk { Id = Id, Created = now.ToUnixTimeSeconds(), Model = model, Choices = choices, Usage = usage },
        OpenAIJson.Default.ChatCompletionChunk);

    private static IReadOnlyList<ToolCall>? PiecesOf(IReadOnlyList<CallPiece> pieces) => pieces.Count == 0 ? null : [.. pieces.Select(piece => new ToolCall
    {
        Index = piece.Index,
        Id = piece.Id,
        Type = piece.Id is null ? null : "function",
        Function = new FunctionCall { Name = piece.Name, Arguments = piece.Arguments },
    })];

    private static IReadOnlyList<ToolCall>? CallsOf(IReadOnlyList<CallPiece> pieces) => pieces.Count == 0 ? null : [.. pieces.GroupBy(piece => piece.Index).Select(call => new ToolCall
    {
        Id = call.First().Id,
        Type = "function",
        Function = new FunctionCall { Name = call.First().Name, Arguments = string.Concat(call.Select(piece => piece.Arguments)) },
    })];

    private ChatLogprobs? LogprobsOf(ChoicePiece piece) => logprobs
        ? new ChatLogprobs { Content = [.. piece.Tokens.Select(t => Entry(t.Token, t.Logprob) with { TopLogprobs = [.. t.Top.Select(o => Entry(o.Token, o.Logprob))] })] }
        : null;

    private TokenLogprob Entry(int token, double logprob)
    {
        byte[] bytes = tokenizer.TokenBytes(token).ToArray();
        return new TokenLogprob { Token = Encoding.UTF8.GetString(bytes), Logprob = logprob, Bytes = [.. bytes.Select(b => (int)b)] };
    }
}
