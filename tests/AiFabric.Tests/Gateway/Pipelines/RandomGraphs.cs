using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Text;

namespace AiFabric.Tests.Gateway.Pipelines;

/// <summary>Draws pipelines: nested splits, filters, joins of all kinds, folds, inputs of different depth.</summary>
internal static class RandomGraphs
{
    private const int MaxDepth = 3;

    public static PipelineGraph Draw(Random random)
    {
        var nodes = new List<GraphNode> { new() { Stage = "request", Kind = NodeKind.Source } };
        var levels = new List<int[]> { Array.Empty<int>() };
        int wanted = random.Next(3, 12);
        while (nodes.Count < wanted)
            Add(nodes, levels, DrawNode(nodes, levels, random));
        // The answer gathers the last node, so that most of the graph matters.
        int output = nodes.Count - 1;
        while (levels[output].Length > 0)
        {
            Add(nodes, levels, new GraphNode { Stage = $"n{nodes.Count}", Kind = NodeKind.Join, Inputs = [output], Join = DrawJoin(random) });
            output = nodes.Count - 1;
        }
        return new PipelineGraph(nodes, output);
    }

    private static GraphNode DrawNode(List<GraphNode> nodes, List<int[]> levels, Random random)
    {
        // Late nodes are preferred as inputs: long chains rather than wide fans.
        int first = Math.Max(random.Next(nodes.Count), random.Next(nodes.Count));
        int depth = levels[first].Length;
        var node = new GraphNode { Stage = $"n{nodes.Count}", Kind = NodeKind.Call, Inputs = [first], MaxInFlight = random.Next(1, 5) };
        switch (random.Next(10))
        {
            case < 3 when depth < MaxDepth:
                return node with { Kind = NodeKind.Split, Cut = random.Next(2) == 0 ? new CutRule(CutKind.Sentence) : new CutRule(CutKind.Delimiter, ";") };
            case 3 when depth > 0:
                return node with { Kind = NodeKind.Join, Join = DrawJoin(random) };
            case 4 when depth > 0:
                return node with { Kind = NodeKind.Fold, GroupDepth = random.Next(depth) };
            case 5:
                int[] peers = [.. Enumerable.Range(0, nodes.Count).Where(other => levels[other].SequenceEqual(levels[first]))];
                return node with
                {
                    Kind = NodeKind.Join,
                    Inputs = [first, .. Enumerable.Range(0, random.Next(1, 3)).Select(_ => peers[random.Next(peers.Length)])],
                    Join = DrawJoin(random),
                };
            case 6:
                FilterKind kind = random.Next(2) == 0 ? FilterKind.Contains : FilterKind.StartsWith;
                var filter = new FilterRule(kind, ((char)('a' + random.Next(4))).ToString(), random.Next(2) == 0);
                return node with { Kind = NodeKind.Filter, Inputs = random.Next(2) == 0 ? [first] : [first, Compatible(levels, first, random)], Filter = filter };
            default:
                return node with { Inputs = random.Next(2) == 0 ? [first] : [first, Compatible(levels, first, random)] };
        }
    }

    private static JoinRule DrawJoin(Random random) =>
        new(random.Next(3) switch { 0 => 1, 1 => 2, _ => int.MaxValue }, Ordered: true, random.Next(2) == 0 ? "; " : ". ");

    /// <summary>A node whose level is a beginning of <paramref name="first"/>'s, or the other way round.</summary>
    private static int Compatible(List<int[]> levels, int first, Random random)
    {
        int[] fitting = [.. Enumerable.Range(0, levels.Count).Where(other =>
        {
            int shared = Math.Min(levels[other].Length, levels[first].Length);
            return levels[other].Take(shared).SequenceEqual(levels[first].Take(shared));
        })];
        return fitting[random.Next(fitting.Length)];
    }

    private static void Add(List<GraphNode> nodes, List<int[]> levels, GraphNode node)
    {
        int[] deepest = node.Inputs.Select(input => levels[input]).MaxBy(level => level.Length)!;
        nodes.Add(node);
        levels.Add(node.Kind switch
        {
            NodeKind.Split => [.. deepest, nodes.Count - 1],
            NodeKind.Join when node.Inputs.Count == 1 => deepest[..^1],
            NodeKind.Fold => deepest[..node.GroupDepth],
            _ => deepest,
        });
    }
}
