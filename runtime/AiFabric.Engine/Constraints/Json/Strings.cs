using System.Collections.Frozen;
using AiFabric.Engine.Constraints.Expressions;

namespace AiFabric.Engine.Constraints.Json;

/// <summary>Strings by the keywords that speak of them.</summary>
internal static class Strings
{
    // Years from 1000 to 2999, leap years by the Gregorian rule; offsets as far as there are zones.
    private const string Date =
        "(?:[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
        + "|(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)-02-29)";

    private const string Time = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+\\-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))";
    private const string Label = "[a-z0-9](?:-?[a-z0-9]){0,30}"; // Two hyphens in a row are for names in other scripts.
    private const string Byte = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private const string Group = "[0-9a-fA-F]{1,4}";

    // Each is a part of what its standard allows: RFC 3339, ISO 8601 durations, RFC 5321 dot-strings, RFC 1123, RFC 4291, RFC 9562.
    private static readonly FrozenDictionary<string, Lazy<Pattern>> Formats = new Dictionary<string, string>
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}T{Time}",
        ["duration"] = "P(?:[0-9]{1,9}W|(?:[0-9]{1,9}D|[0-9]{1,9}M(?:[0-9]{1,9}D)?|[0-9]{1,9}Y(?:[0-9]{1,9}M(?:[0-9]{1,9}D)?)?)(?:T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}S))?"
            + "|T(?:[0-9]{1,9}H(?:[0-9]{1,9}M(?:[0-9]{1,9}S)?)?|[0-9]{1,9}M(?:[0-9]{1,9}S)?|[0-9]{1,9}S))",
        ["email"] = $"[a-zA-Z0-9_+\\-]{{1,32}}(?:\\.[a-zA-Z0-9_+\\-]{{1,31}})?@{Label}(?:\\.{Label}){{0,2}}\\.[a-z]{{2,12}}",
        ["hostname"] = $"{Label}(?:\\.{Label}){{0,3}}",
        ["ipv4"] = $"{Byte}(?:\\.{Byte}){{3}}",
        ["ipv6"] = $"(?:{Group}:){{7}}{Group}|(?:{Group}:){{1,6}}:{Group}|::(?:{Group}(?::{Group}){{0,6}})?",
        ["uuid"] = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    }.ToFrozenDictionary(f => f.Key, f => new Lazy<Pattern>(() => JsonText.Quoted(RegularExpression.WholeInJson(f.Value))));

    /// <exception cref="GrammarException">A keyword is malformed or not supported.</exception>
    public static Pattern Read(SchemaNode node)
    {
        int? min = node.Count("minLength"), max = node.Count("maxLength");
        string? expression = node.Text("pattern"), format = node.Text("format");
        if (format is not null)
        {
            if (expression is not null || min is not null || max is not null)
                throw node.Error("format", "cannot stand beside 'pattern', 'minLength' or 'maxLength'; leave one out.");
            return Formats.TryGetValue(format, out var known)
                ? known.Value
                : throw node.Error("format", $"is '{format}'; supported are: {string.Join(", ", Formats.Keys.Order(StringComparer.Ordinal))}.");
        }
        if (expression is not null)
        {
            return min is null && max is null
                ? JsonText.Quoted(RegularExpression.InJson(expression, node.PathOf("pattern")))
                : throw node.Error("pattern", "cannot stand beside 'minLength' or 'maxLength'; write the length into the pattern.");
        }
        if (min is null && max is null)
            return Pattern.Rule(JsonText.StringRule);
        if (max < min)
            throw node.Error("minLength", "is above 'maxLength'.");
        return JsonText.Quoted(Pattern.Repeat(JsonText.Character, min ?? 0, max));
    }
}
