using AiFabric.Gateway.Pipelines.Runs;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>What a run gives to whoever asked for it.</summary>
public abstract record RunOutput
{
    /// <summary>The next piece of the answer.</summary>
    public sealed record Piece(string Text) : RunOutput;

    /// <summary>A whole text that a stage made.</summary>
    public sealed record Stage(string Name, string Item, string Text) : RunOutput;

    /// <summary>The last.</summary>
    public sealed record Ended(RunEnd End) : RunOutput;
}
