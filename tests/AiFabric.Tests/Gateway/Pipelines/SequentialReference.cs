using System.Text.RegularExpressions;
using AiFabric.Gateway.Pipelines.Graph;
using AiFabric.Gateway.Pipelines.Runs;
using AiFabric.Gateway.Pipelines.Text;

namespace AiFabric.Tests.Gateway.Pipelines;

/// <summary>What a pipeline answers when its stages run one after the other, on whole texts: by recursion from the output, with nothing of the runs' own code.</summary>
internal sealed class SequentialReference(PipelineGraph graph, string request)
{
    private readonly Dictionary<(int, ItemPath), string?> _known = [];

    public string Answer() => Value(graph.Output, ItemPath.Root) ?? "";

    /// <summary>What the emulated models and functions answer.</summary>
    public static string Emulate(int node, IEnumerable<string> inputs)
    {
        int seed = node * 7_919;
        foreach (char c in string.Join('|', inputs))
            seed = unchecked((seed * 31) + c);
        var random = new Random(seed);
        return string.Concat(Enumerable.Range(0, random.Next(5)).Select(_ => $"{(char)('a' + random.Next(6))}{random.Next(100)}{(random.Next(2) == 0 ? ". " : "; ")}"));
    }

    private string? Value(int node, ItemPath path)
    {
        if (!_known.TryGetValue((node, path), out string? value))
            _known[(node, path)] = value = Compute(graph.Nodes[node], node, path);
        return value;
    }

    private string? Compute(GraphNode node, int id, ItemPath path)
    {
        string?[] Inputs() => [.. node.Inputs.Select(input => Value(input, path.Prefix(graph.Nodes[input].Level.Count)))];
        switch (node.Kind)
        {
            case NodeKind.Source:
                return request;
            case NodeKind.Split:
                return Parts(id, path.Parent()) is { } parts && path[path.Depth - 1] < parts.Length ? parts[path[path.Depth - 1]] : null;
            case NodeKind.Call:
                string?[] texts = Inputs();
                return texts.Contains(null) ? null : Emulate(id, texts!);
            case NodeKind.Filter:
                string?[] both = Inputs();
                return both.Contains(null) || Found(node.Filter!, both[^1]!) == node.Filter!.Negate ? null : both[0];
            case NodeKind.Fold:
                return NeverBegan(node.Inputs[0], path)
                    ? null
                    : Emulate(id, Members(node.Inputs[0], path).Select(at => Value(node.Inputs[0], at)).OfType<string>());
            case NodeKind.Join when node.Inputs.Count == 1:
                return NeverBegan(node.Inputs[0], path)
                    ? null
                    : string.Join(node.Join!.Separator, Members(node.Inputs[0], path).Select(at => Value(node.Inputs[0], at)).OfType<string>().Take(node.Join.Take));
            default:
                string?[] members = Inputs();
                return members.All(member => member is null) ? null : string.Join(node.Join!.Separator, members.OfType<string>().Take(node.Join.Take));
        }
    }

    /// <summary>The paths at the node's own depth under <paramref name="group"/>, in order.</summary>
    private IEnumerable<ItemPath> Members(int node, ItemPath group)
    {
        IReadOnlyList<int> level = graph.Nodes[node].Level;
        if (group.Depth == level.Count)
            return [group];
        int parts = Parts(level[group.Depth], group)?.Length ?? 0;
        return Enumerable.Range(0, parts).SelectMany(index => Members(node, group.Child(index)));
    }

    private string[]? Parts(int split, ItemPath path)
    {
        if (Value(graph.Nodes[split].Inputs[0], path) is not { } text)
            return null;
        IEnumerable<string> parts = graph.Nodes[split].Cut!.Kind == CutKind.Delimiter ? text.Split(';') : Regex.Split(text, @"(?<=[.!?])\s");
        return [.. parts.Select(part => part.Trim()).Where(part => part.Length > 0)];
    }

    /// <summary>Whether something on the node's way was dropped for the whole group, so that there is no group.</summary>
    private bool NeverBegan(int node, ItemPath group)
    {
        GraphNode made = graph.Nodes[node];
        bool Misses(int input) => graph.Nodes[input].Level.Count <= group.Depth
            ? Value(input, group.Prefix(graph.Nodes[input].Level.Count)) is null
            : NeverBegan(input, group);
        return made.Kind == NodeKind.Join && made.Inputs.Count > 1 ? made.Inputs.All(Misses) : made.Inputs.Any(Misses);
    }

    private static bool Found(FilterRule rule, string text) => rule.Kind == FilterKind.Contains
        ? text.Contains(rule.Text, StringComparison.OrdinalIgnoreCase)
        : text.Trim().StartsWith(rule.Text, StringComparison.OrdinalIgnoreCase);
}
