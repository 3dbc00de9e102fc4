using AiFabric.Gateway.Pipelines.Text;

namespace AiFabric.Gateway.Pipelines.Graph;

/// <summary>What a node does with its inputs.</summary>
public enum NodeKind
{
    /// <summary>The request's text. Always node 0.</summary>
    Source,

    /// <summary>A model, function or pipeline is called once for each item, when all inputs are whole; it answers with a stream of text.</summary>
    Call,

    /// <summary>A function gets the items of a group one by one, as they come, all at one replica; it answers once the group is closed.</summary>
    Fold,

    /// <summary>Cuts each text into parts as it streams in.</summary>
    Split,

    /// <summary>Passes its first input on, or drops the item, by what its second input says (the first, when there is one only).</summary>
    Filter,

    /// <summary>One input: gathers the items of its innermost level. Several inputs: gathers one item of each.</summary>
    Join,
}

/// <summary>Which items a join takes and how it puts them together.</summary>
/// <param name="Take">How many at most; the rest is cancelled.</param>
/// <param name="Ordered">By index, streaming the item whose turn it is; else whole, as they complete.</param>
/// <param name="Separator">Between two items.</param>
public sealed record JoinRule(int Take = int.MaxValue, bool Ordered = true, string Separator = "\n");

/// <summary>A node of a <see cref="PipelineGraph"/>.</summary>
public sealed record GraphNode
{
    /// <summary>Name of the stage it belongs to. A stage may have several nodes: its inputs may be cut and joined on their way.</summary>
    public required string Stage { get; init; }

    public required NodeKind Kind { get; init; }

    /// <summary>Nodes whose output goes in here; all of them stand before this one.</summary>
    public IReadOnlyList<int> Inputs { get; init; } = [];

    /// <summary>Calls of one run under way at the same time, or for a fold items on their way.</summary>
    public int MaxInFlight { get; init; } = 8;

    /// <summary>What a failed call made so far is taken for its answer; else the run fails.</summary>
    public bool IsSoft { get; init; }

    /// <summary>For a split.</summary>
    public CutRule? Cut { get; init; }

    /// <summary>For a split: more parts of one text than this fail the run.</summary>
    public int MaxItems { get; init; } = 1_000;

    /// <summary>For a filter.</summary>
    public FilterRule? Filter { get; init; }

    /// <summary>For a join.</summary>
    public JoinRule? Join { get; init; }

    /// <summary>For a fold: how many of its input's levels stay.</summary>
    public int GroupDepth { get; init; }

    /// <summary>The splits that its items went through, outermost first. The graph fills it in.</summary>
    public IReadOnlyList<int> Level { get; init; } = [];
}
