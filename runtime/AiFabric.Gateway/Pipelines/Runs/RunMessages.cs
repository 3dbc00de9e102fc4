namespace AiFabric.Gateway.Pipelines.Runs;

/// <summary>A node's work for one item (or, for a fold, for one group).</summary>
public readonly record struct Work(int Node, ItemPath Path);

/// <summary>What a run hears of the work it asked for. Each may come twice and in any order.</summary>
public abstract record RunEvent(Work Work)
{
    /// <summary>A piece of its answer, which begins at character <paramref name="Offset"/>.</summary>
    public sealed record Piece(Work Work, long Offset, string Text) : RunEvent(Work);

    /// <summary>Its answer has this many characters.</summary>
    public sealed record Ended(Work Work, long Length) : RunEvent(Work);

    /// <summary>It failed for good.</summary>
    public sealed record Failed(Work Work, string Reason) : RunEvent(Work);

    /// <summary>A fold's replica has taken this item.</summary>
    public sealed record Taken(Work Work, ItemPath Item) : RunEvent(Work);
}

/// <summary>What a run wants done.</summary>
public abstract record RunEffect
{
    /// <summary>
    /// Call for this item. <paramref name="Inputs"/> are the texts, in the order of the node's inputs. <paramref name="Before"/> is how many calls of the node were made before this one whose answers may
    /// spare it; 0 where none can.
    /// </summary>
    public sealed record Start(Work Work, IReadOnlyList<string> Inputs, int Before) : RunEffect;

    /// <summary>Give this item to the fold's group.</summary>
    public sealed record Deliver(Work Work, ItemPath Item, string Text) : RunEffect;

    /// <summary>The fold's group has no more items than these: have it answer. Once for each group.</summary>
    public sealed record Close(Work Work, int Items) : RunEffect;

    /// <summary>Nobody waits for this any more.</summary>
    public sealed record Cancel(Work Work) : RunEffect;

    /// <summary>A text of a node is whole: for those who look on.</summary>
    public sealed record Made(Work Work, ItemText Text) : RunEffect;

    /// <summary>The next piece of the answer.</summary>
    public sealed record Output(string Text) : RunEffect;

    /// <summary>The run is over.</summary>
    public sealed record Finished(RunEnd End) : RunEffect;
}

/// <summary>How a run ended.</summary>
/// <param name="FailedStage">The stage that failed; null when the whole answer was given.</param>
/// <param name="Reason">Why it failed.</param>
/// <param name="Partial">Soft stages that failed, and whose partial answers were used.</param>
public sealed record RunEnd(string? FailedStage, string? Reason, IReadOnlyList<string> Partial);
