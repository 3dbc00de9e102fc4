namespace AiFabric.Gateway.Pipelines.Graph;

/// <summary>Slot <paramref name="Slot"/> among the inputs of node <paramref name="Node"/>.</summary>
public readonly record struct Edge(int Node, int Slot);

/// <summary>A pipeline, ready to run: nodes in topological order, each with the level of its items. Immutable.</summary>
public sealed class PipelineGraph
{
    private readonly Edge[][] _consumers;
    private readonly int[][] _feeds;
    private readonly int[][] _gates;
    private readonly int[][] _gated;
    private readonly bool[] _spared;

    /// <param name="nodes">In topological order; the first is the source.</param>
    /// <param name="output">The node whose text is the answer: one item for each request.</param>
    /// <exception cref="ArgumentException">Nodes are out of order, or their levels do not fit; says which.</exception>
    public PipelineGraph(IReadOnlyList<GraphNode> nodes, int output)
    {
        if (nodes is not [{ Kind: NodeKind.Source }, ..])
            throw new ArgumentException("The first node must be the source.", nameof(nodes));
        var placed = new List<GraphNode>(nodes.Count);
        foreach (GraphNode node in nodes)
            placed.Add(node with { Level = LevelOf(node, placed) });
        (Nodes, Output) = (placed, output);
        if (placed[output].Level.Count > 0)
            throw new ArgumentException($"The output '{placed[output].Stage}' has many items for one request: join them.", nameof(output));
        _consumers = [.. placed.Select((_, id) => placed
            .SelectMany((consumer, to) => consumer.Inputs.Select((from, slot) => (from, new Edge(to, slot))))
            .Where(edge => edge.from == id).Select(edge => edge.Item2).ToArray())];
        _feeds = new int[placed.Count][];
        for (int id = placed.Count - 1; id >= 0; id--)
            _feeds[id] = [.. _consumers[id].SelectMany(edge => IsCalled(edge.Node) ? [edge.Node] : _feeds[edge.Node]).Distinct()];
        _spared = new bool[placed.Count];
        for (int id = placed.Count - 1; id >= 0; id--)
            _spared[id] = id != output && Array.TrueForAll(_consumers[id], edge => _spared[edge.Node] || placed[edge.Node].Join is { Take: < int.MaxValue });
        _gates = [.. placed.Select((node, id) => Gathers(id) ? GatesOf(node.Inputs[0], node.Level.Count).Distinct().ToArray() : [])];
        _gated = [.. placed.Select((_, id) => Enumerable.Range(0, placed.Count).Where(node => _gates[node].Contains(id)).ToArray())];
    }

    public IReadOnlyList<GraphNode> Nodes { get; }

    public int Output { get; }

    /// <summary>Where the node's output goes.</summary>
    public IReadOnlyList<Edge> Consumers(int node) => _consumers[node];

    /// <summary>The next calls and folds on the node's way to the output: those whose queues grow with what it makes.</summary>
    public IReadOnlyList<int> Feeds(int node) => _feeds[node];

    /// <summary>Whether what is made of one item of the node may spare its other items: each way from it to the output leads through a join that takes only so many.</summary>
    public bool MaySpare(int node) => _spared[node];

    /// <summary>Whether the node makes one item of the members of a group.</summary>
    public bool Gathers(int node) => Nodes[node] is { Kind: NodeKind.Fold } or { Kind: NodeKind.Join, Inputs.Count: 1 };

    /// <summary>
    /// Of a node that gathers: those nodes that can still drop a whole group of it. Only when they are settled is a group without members an empty
    /// one, and not one that never was.
    /// </summary>
    public IReadOnlyList<int> Gates(int node) => _gates[node];

    /// <summary>The nodes of which this one is a gate.</summary>
    public IReadOnlyList<int> GatedBy(int node) => _gated[node];

    /// <summary>Whether somebody outside the run does the node's work.</summary>
    public bool IsCalled(int node) => Nodes[node].Kind is NodeKind.Call or NodeKind.Fold;

    /// <summary>The input with the deepest level: there is one item of the node for each of its items.</summary>
    public int Deepest(int node) => Nodes[node].Inputs.MaxBy(input => Nodes[input].Level.Count);

    private IEnumerable<int> GatesOf(int node, int depth) => Nodes[node].Inputs
        .SelectMany(input => Nodes[input].Level.Count <= depth ? [input] : GatesOf(input, depth));

    private static IReadOnlyList<int> LevelOf(GraphNode node, List<GraphNode> before)
    {
        if (node.Kind == NodeKind.Source)
            return [];
        if (node.Inputs.Count == 0 || node.Inputs.Any(input => input >= before.Count))
            throw new ArgumentException($"'{node.Stage}' needs inputs that stand before it.", nameof(node));
        IReadOnlyList<int> deepest = node.Inputs.Select(input => before[input].Level).MaxBy(level => level.Count)!; // It has inputs.
        if (node.Inputs.Any(input => !deepest.Take(before[input].Level.Count).SequenceEqual(before[input].Level)))
            throw new ArgumentException($"'{node.Stage}' mixes parts of different splits: join one of them first.", nameof(node));
        switch (node.Kind)
        {
            case NodeKind.Split:
                return [.. deepest, before.Count];
            case NodeKind.Join when node.Inputs.Count == 1:
                return deepest.Count > 0
                    ? [.. deepest.SkipLast(1)]
                    : throw new ArgumentException($"'{node.Stage}' joins items that no split has made.", nameof(node));
            case NodeKind.Join when node.Inputs.Any(input => before[input].Level.Count != deepest.Count):
                throw new ArgumentException($"'{node.Stage}' joins inputs of different levels.", nameof(node));
            case NodeKind.Fold:
                return node.Inputs.Count == 1 && node.GroupDepth < deepest.Count
                    ? [.. deepest.Take(node.GroupDepth)]
                    : throw new ArgumentException($"'{node.Stage}' needs one input, with more than {node.GroupDepth} levels.", nameof(node));
            default:
                return deepest;
        }
    }
}
