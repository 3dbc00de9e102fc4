using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace AiFabric.LocalCluster.Tables;

/// <summary>
/// The JSONPath of printer columns: <c>.a.b</c>, <c>['a.b']</c>, <c>[0]</c>, <c>[*]</c> and <c>[?(@.type=="Ready")]</c>.
/// </summary>
internal sealed partial class FieldPath
{
    private readonly List<Func<JsonNode, IEnumerable<JsonNode?>>> _steps = [];

    private FieldPath()
    {
    }

    /// <summary>Parses a path.</summary>
    /// <exception cref="FormatException">The path uses something else.</exception>
    public static FieldPath Parse(string text)
    {
        var path = new FieldPath();
        var rest = text.Trim().TrimStart('{').TrimEnd('}').TrimStart('$');
        while (rest.Length > 0)
        {
            var match = Step().Match(rest);
            if (!match.Success)
                throw new FormatException($"cannot read the JSONPath {text} at \"{rest}\"");
            path.Add(match);
            rest = rest[match.Length..];
        }

        return path;
    }

    /// <summary>What the path finds, in order.</summary>
    public IReadOnlyList<JsonNode> Find(JsonNode root)
    {
        List<JsonNode> found = [root];
        foreach (var step in _steps)
            found = [.. found.SelectMany(step).OfType<JsonNode>()];
        return found;
    }

    private void Add(Match match)
    {
        if (match.Groups["index"].Success)
        {
            var index = int.Parse(match.Groups["index"].Value, CultureInfo.InvariantCulture);
            _steps.Add(node => node is JsonArray list && (index < 0 ? list.Count + index : index) is var at && at >= 0 && at < list.Count ? [list[at]] : []);
        }
        else if (match.Groups["all"].Success)
        {
            _steps.Add(node => node switch { JsonArray list => list, JsonObject map => map.Select(pair => pair.Value), _ => [] });
        }
        else if (match.Groups["filter"].Success)
        {
            var inner = Parse(match.Groups["filter"].Value);
            var wanted = match.Groups["value"].Value;
            var equal = match.Groups["op"].Value != "!=";
            _steps.Add(node => node is JsonArray list
                ? list.Where(item => item is not null && inner.Find(item).Any(one => one.ToString() == wanted) == equal)
                : []);
        }
        else
        {
            var name = (match.Groups["quoted"].Success ? match.Groups["quoted"] : match.Groups["name"]).Value.Replace("\\.", ".", StringComparison.Ordinal);
            _steps.Add(node => node is JsonObject map && map.TryGetPropertyValue(name, out var value) ? [value] : []);
        }
    }

    [GeneratedRegex("""
        ^(?:\.?\[(?<index>-?\d+)\]
        |\.?\[(?<all>\*)\]|\.(?<all>\*)
        |\.?\[\?\(@(?<filter>[^=!]+?)\s*(?<op>==|!=)\s*["']?(?<value>[^"')]*)["']?\)\]
        |\.?\[['"](?<quoted>[^'"]+)['"]\]
        |\.(?<name>(?:\\\.|[^.\[\]])+))
        """, RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Step();
}
