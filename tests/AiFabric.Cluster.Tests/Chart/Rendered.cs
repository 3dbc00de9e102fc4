using YamlDotNet.RepresentationModel;

namespace AiFabric.Cluster.Tests.Chart;

/// <summary>One object that Helm rendered.</summary>
/// <param name="Text">Its YAML, with Helm's line about the template it comes from.</param>
/// <param name="Root">The same, parsed.</param>
internal sealed record Rendered(string Text, YamlMappingNode Root)
{
    public string Kind => At("kind") ?? "";

    public string Name => At("metadata", "name") ?? "";

    /// <summary>In one order, for the two Helms sort kinds differently.</summary>
    public static IReadOnlyList<Rendered> Read(string output)
    {
        string[] documents = ("\n" + output).Split("\n---\n", StringSplitOptions.RemoveEmptyEntries);
        return [.. documents.Where(text => text.Contains("\nkind:", StringComparison.Ordinal)).Select(text => new Rendered(text.Trim() + "\n", Parse(text)))
            .OrderBy(document => document.Text.Split('\n')[0], StringComparer.Ordinal)
            .ThenBy(document => document.Kind, StringComparer.Ordinal).ThenBy(document => document.Name, StringComparer.Ordinal)];
    }

    /// <summary>The scalar at a path of keys and indexes; null when there is none.</summary>
    public string? At(params object[] path) => (Node(path) as YamlScalarNode)?.Value;

    /// <summary>The node at a path of keys and indexes; null when there is none.</summary>
    public YamlNode? Node(params object[] path)
    {
        YamlNode? node = Root;
        foreach (object part in path)
        {
            node = (node, part) switch
            {
                (YamlMappingNode mapping, string key) => mapping.Children.TryGetValue(new YamlScalarNode(key), out YamlNode? child) ? child : null,
                (YamlSequenceNode sequence, int index) => index < sequence.Children.Count ? sequence[index] : null,
                _ => null,
            };
        }
        return node;
    }

    private static YamlMappingNode Parse(string text)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(text));
        return (YamlMappingNode)stream.Documents[0].RootNode;
    }
}
