using System.Runtime.CompilerServices;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Tokenization;
using AiFabric.Worker.Errors;
using AiFabric.Worker.Tools;

namespace AiFabric.Worker.Streaming;

/// <summary>Turns one generation's tokens into pieces of text, cut at stop strings, and of calls.</summary>
/// <param name="tokenizer">The model's.</param>
/// <param name="stopStrings">None of them ends in the text behind the first <paramref name="minTokens"/> tokens.</param>
/// <param name="minTokens">Tokens that come before a stop string may end the answer.</param>
/// <param name="tools">Finds the calls; null where none can be.</param>
internal sealed class ChoiceReader(HuggingFaceTokenizer tokenizer, IReadOnlyList<string> stopStrings, int minTokens, ToolCallReader? tools = null)
{
    private readonly IncrementalDetokenizer detokenizer = new(tokenizer, continues: true, tools?.Marks);
    private readonly StopScanner scanner = new(stopStrings);
    private readonly List<TokenEntry> pending = [];
    private int completionTokens;
    private int cachedTokens;
    private int textLength;

    /// <summary>Reads to the end; the last piece, and only it, has a finish.</summary>
    /// <exception cref="ApiException">The engine failed (500) or stopped (503).</exception>
    public async IAsyncEnumerable<ChoicePiece> ReadAsync(Generation generation, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var step in generation.Events.ReadAllAsync(cancellationToken))
        {
            if (step.Finish is FinishReason.Error)
                throw new ApiException(500, $"The engine failed: {step.Error ?? "it gave no reason"}", code: "engine_error");
            if (step.Finish is FinishReason.Cancelled)
                throw ApiException.ShuttingDown();
            string text = Take(step);
            if (scanner.Stopped || step.Finish is not null)
            {
                if (step.Finish is null)
                    generation.Stop(); // One that a stop string ends is computed no further, though others of the request go on for long.
                yield return Last(text, scanner.Stopped || step.Finish == FinishReason.Stop ? "stop" : "length");
                yield break;
            }
            var sorted = Sort(text);
            if (tools?.IsOver is true)
            {
                generation.Stop();
                yield return Piece(sorted, "tool_calls");
                yield break;
            }
            if (sorted.Text.Length > 0 || sorted.Calls.Count > 0)
                yield return Piece(sorted, null);
        }
        throw new ApiException(500, "The engine ended the generation without saying why.", code: "engine_error");
    }

    private string Take(TokenEvent step)
    {
        cachedTokens = Math.Max(cachedTokens, step.CachedTokens);
        if (step.Token is not { } token)
            return "";
        completionTokens++;
        // The token that ends a sequence is no part of the answer.
        if (step.Finish == FinishReason.Stop)
            return "";
        string text = detokenizer.Append(token);
        if (step.Logprob is { } logprob && !tokenizer.SpecialIds.Contains(token))
            pending.Add(new TokenEntry(token, logprob, step.TopLogprobs ?? [], textLength));
        textLength += text.Length;
        return Scan(text);
    }

    private ChoicePiece Last(string text, string finish)
    {
        if (!scanner.Stopped)
            text += Scan(detokenizer.Flush()) + (scanner.Stopped ? "" : scanner.Flush());
        if (scanner.Stopped)
        {
            pending.RemoveAll(entry => entry.TextOffset >= scanner.GivenOut);
            finish = "stop";
        }
        var sorted = Sort(text);
        if (tools is null)
            return Piece(sorted, finish);
        var rest = tools.Flush();
        sorted = new SortedPiece(sorted.Text + rest.Text, [.. sorted.Calls, .. rest.Calls]);
        // A call that was cut off is none that the client should make.
        return Piece(sorted, tools.IsOver || (finish == "stop" && tools.IsComplete) ? "tool_calls" : finish);
    }

    private string Scan(string text) => scanner.Append(text, mayStop: completionTokens > minTokens);

    private SortedPiece Sort(string text) => tools?.Append(text) ?? new SortedPiece(text, []);

    private ChoicePiece Piece(SortedPiece sorted, string? finish)
    {
        // Tokens whose text is still held back wait with it: a stop string may swallow them.
        TokenEntry[] ready = pending.Count == 0 ? [] : [.. pending.Where(entry => finish is not null || entry.TextOffset < scanner.GivenOut)];
        pending.RemoveRange(0, ready.Length);
        return new ChoicePiece(sorted.Text, ready, finish, completionTokens, cachedTokens) { Calls = sorted.Calls };
    }
}
