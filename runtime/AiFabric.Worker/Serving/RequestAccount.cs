using AiFabric.Protocol.OpenAI;
using AiFabric.Worker.Streaming;

namespace AiFabric.Worker.Serving;

/// <summary>Counts what one request used and how long it took.</summary>
internal sealed class RequestAccount(WorkerMetrics metrics, GenerationPlan plan, TimeProvider time)
{
    private readonly long start = time.GetTimestamp();
    private readonly int[] completionTokens = new int[plan.Choices];
    private readonly string?[] finishes = new string?[plan.Choices];
    private TimeSpan? first;

    public int CompletionTokens => completionTokens.Sum();

    public int CachedTokens { get; private set; }

    public double FirstMilliseconds => first?.TotalMilliseconds ?? double.NaN;

    public double Milliseconds => time.GetElapsedTime(start).TotalMilliseconds;

    /// <summary>How the request ended, for the log: all choices' ends, or that it was cut off.</summary>
    public string Finish => finishes.Contains(null) ? "cut off" : string.Join(',', finishes.Distinct());

    public void Take(int choice, ChoicePiece piece)
    {
        if (first is null)
        {
            first = time.GetElapsedTime(start);
            if (!plan.Request.IsCopy)
                metrics.FirstToken(first.Value);
        }
        completionTokens[choice] = piece.CompletionTokens;
        CachedTokens = Math.Max(CachedTokens, piece.CachedTokens);
        finishes[choice] = piece.Finish;
    }

    public Usage Usage()
    {
        int prompt = plan.Request.PromptTokens.Count;
        return new Usage
        {
            PromptTokens = prompt,
            CompletionTokens = CompletionTokens,
            TotalTokens = prompt + CompletionTokens,
            PromptTokensDetails = new PromptTokensDetails { CachedTokens = CachedTokens },
        };
    }

    public void Close()
    {
        var whole = time.GetElapsedTime(start);
        if (!plan.Request.IsCopy && first is { } begun && CompletionTokens > plan.Choices)
            metrics.TimePerToken((whole - begun) / (((double)CompletionTokens / plan.Choices) - 1));
    }
}
