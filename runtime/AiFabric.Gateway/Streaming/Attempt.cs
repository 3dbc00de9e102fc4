using AiFabric.Gateway.Limits;
using AiFabric.Protocol.Gateway;

namespace AiFabric.Gateway.Streaming;

/// <summary>How an attempt at a worker ended.</summary>
internal enum AttemptEnd
{
    /// <summary>The client has its answer, or has left.</summary>
    Over,

    /// <summary>The worker failed or refused before the first byte, so that another may be tried.</summary>
    Failed,

    /// <summary>The worker did not begin its answer in time.</summary>
    TimedOut,
}

/// <summary>One attempt at a worker: what goes along, and what it came to.</summary>
public sealed class Attempt
{
    private Func<long?> _used = () => null;

    /// <summary>The request's JSON.</summary>
    public required ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Names of the prompt's beginnings; null where no cache matters.</summary>
    public PromptPieces? Prompt { get; init; }

    /// <summary>What the answer spends of its tenant's tokens; null without a limit.</summary>
    public Spending? Spending { get; init; }

    /// <summary>Who answers, as the client is told.</summary>
    public required string ServedBy { get; init; }

    /// <summary>Why the worker gave no answer; null when it did.</summary>
    public string? Failure { get; set; }

    /// <summary>Set when an event stream was copied.</summary>
    public StreamEnd? Stream { get; set; }

    /// <summary>What broke the worker's side.</summary>
    public Exception? Cause { get; set; }

    /// <summary>Has the end of a whole answer kept on its way: there it says what it used.</summary>
    internal void Watch(HttpResponse response)
    {
        if (Spending is null)
            return;
        var tail = new TailStream(response.Body);
        (response.Body, _used) = (tail, () => UsageReader.TotalTokens(tail.Tail));
    }

    /// <summary>Counts what a whole answer says that it used.</summary>
    internal void Settle()
    {
        if (_used() is { } total)
            Spending?.Settle(total);
    }
}
