using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry;

/// <summary>A label selector and a field selector in their query forms, such as <c>app=x,tier in (a,b),!old</c> and <c>metadata.name=x</c>.</summary>
internal sealed partial class Selector
{
    private readonly List<Func<JsonObject, bool>> _terms = [];

    private Selector()
    {
    }

    /// <summary>Matches all objects.</summary>
    public static Selector Everything { get; } = new();

    /// <summary>Parses both selectors; null or "" means all.</summary>
    /// <exception cref="ApiException">400 for a malformed selector.</exception>
    public static Selector Parse(string? labels, string? fields)
    {
        if (string.IsNullOrWhiteSpace(labels) && string.IsNullOrWhiteSpace(fields))
            return Everything;
        var selector = new Selector();
        foreach (var term in Split(labels))
            selector._terms.Add(LabelTerm(term));
        foreach (var term in Split(fields))
            selector._terms.Add(FieldTerm(term));
        return selector;
    }

    public bool Matches(JsonObject found) => _terms.TrueForAll(term => term(found));

    /// <summary>Splits at commas outside parentheses.</summary>
    private static IEnumerable<string> Split(string? text)
    {
        var depth = 0;
        var start = 0;
        for (var i = 0; i <= (text?.Length ?? -1); i++)
        {
            var end = i == text!.Length;
            depth += end ? 0 : text[i] switch { '(' => 1, ')' => -1, _ => 0 };
            if (!end && (text[i] != ',' || depth > 0))
                continue;
            if (text[start..i].Trim() is { Length: > 0 } term)
                yield return term;
            start = i + 1;
        }
    }

    private static Func<JsonObject, bool> LabelTerm(string term)
    {
        if (SetTerm().Match(term) is { Success: true } set)
        {
            var values = set.Groups["values"].Value.Split(',').Select(value => value.Trim()).ToHashSet(StringComparer.Ordinal);
            var inside = set.Groups["op"].Value == "in";
            var name = set.Groups["key"].Value;
            return inside
                ? found => Label(found, name) is { } value && values.Contains(value)
                : found => Label(found, name) is not { } value || !values.Contains(value);
        }

        var match = PlainTerm().Match(term);
        if (!match.Success)
            throw ApiException.BadRequest($"unable to parse requirement: {term}");
        var key = match.Groups["key"].Value;
        var wanted = match.Groups["value"].Value;
        if (match.Groups["not"].Success)
            return found => Label(found, key) is null;
        return match.Groups["op"].Value switch
        {
            "" => found => Label(found, key) is not null,
            "!=" => found => Label(found, key) != wanted,
            _ => found => Label(found, key) == wanted,
        };
    }

    private static Func<JsonObject, bool> FieldTerm(string term)
    {
        var match = FieldForm().Match(term);
        if (!match.Success)
            throw ApiException.BadRequest($"invalid field selector: {term}");
        var path = match.Groups["key"].Value.Split('.');
        var wanted = match.Groups["value"].Value;
        var equal = match.Groups["op"].Value != "!=";
        // A missing field is the empty string, as in Kubernetes: spec.nodeName= finds unscheduled pods.
        return found => ((found.Field(path)?.ToString() ?? "") == wanted) == equal;
    }

    private static string? Label(JsonObject found, string key) => found.Text("metadata", "labels", key);

    [GeneratedRegex(@"^(?<key>[\w./-]+)\s+(?<op>in|notin)\s*\((?<values>[^()]*)\)$")]
    private static partial Regex SetTerm();

    [GeneratedRegex(@"^(?<not>!)?\s*(?<key>[\w./-]+)\s*((?<op>==|=|!=)\s*(?<value>[\w.-]*))?$")]
    private static partial Regex PlainTerm();

    [GeneratedRegex(@"^(?<key>[\w./-]+)\s*(?<op>==|=|!=)\s*(?<value>.*)$")]
    private static partial Regex FieldForm();
}
