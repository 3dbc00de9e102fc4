using AiFabric.Protocol.OpenAI;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>What is the same for all calls of a client's request, nested pipelines included.</summary>
/// <param name="id">Names the run to functions and in traces.</param>
/// <param name="tenant">Whose request it is; null without API keys.</param>
/// <param name="time">Clock.</param>
/// <param name="session">Names the client's session; null without one.</param>
public sealed class RunContext(string id, string? tenant, TimeProvider time, ulong? session = null)
{
    private int _promptTokens;
    private int _completionTokens;

    public string Id { get; } = id;

    public string? Tenant { get; } = tenant;

    /// <summary>Names the client's session: all its calls of a model stay on one side of the model's canary.</summary>
    public ulong? Session { get; } = session;

    /// <summary>When the client's request came: a timestamp of this gateway's clock. Wherever calls wait, those of the oldest requests go first.</summary>
    public long Arrived { get; } = time.GetTimestamp();

    /// <summary>Time since then.</summary>
    public TimeSpan Age => time.GetElapsedTime(Arrived);

    /// <summary>Tokens of all models together.</summary>
    public Usage Usage => new() { PromptTokens = _promptTokens, CompletionTokens = _completionTokens, TotalTokens = _promptTokens + _completionTokens };

    public void Count(Usage? usage)
    {
        if (usage is null)
            return;
        Interlocked.Add(ref _promptTokens, usage.PromptTokens);
        Interlocked.Add(ref _completionTokens, usage.CompletionTokens);
    }
}
