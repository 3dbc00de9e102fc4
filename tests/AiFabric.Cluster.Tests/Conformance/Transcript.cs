using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace AiFabric.Cluster.Tests.Conformance;

/// <summary>
/// Puts what is a server's own choice (uids, versions, times, tokens) into words that are the same on every server. Values that are the same get the
/// same word, so that a version that must not move is seen to stay.
/// </summary>
internal sealed partial class Transcript(string space)
{
    private static readonly JsonSerializerOptions Pretty = new() { WriteIndented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly HashSet<string> Dropped = ["selfLink", "storageVersionHash", "object", "remainingItemCount"];

    private readonly Dictionary<string, string> _words = [];

    /// <summary>An answer's text for comparison.</summary>
    public string Write(Step step, int code, JsonNode? body)
    {
        JsonNode? plain = Plain(body, "", step.Managed);
        string text = step.Show.Count == 0
            ? plain?.ToJsonString(Pretty) ?? ""
            : string.Join('\n', step.Show.Select(path => $"{path} = {Paths.Find(plain, path)?.ToJsonString(Pretty) ?? "(none)"}"));
        foreach ((string value, string word) in _words.OrderByDescending(pair => pair.Key.Length))
        {
            if (value.Length > 8)
                text = text.Replace(value, word, StringComparison.Ordinal); // Uids inside of messages.
        }
        return $"{code}\n{text.Replace(space, "(ns)", StringComparison.Ordinal)}";
    }

    private JsonNode? Plain(JsonNode? node, string field, bool managed) => node switch
    {
        JsonObject map => new JsonObject(map
            .Where(pair => !Dropped.Contains(pair.Key) && !IsEmptyForm(pair.Key, pair.Value) && (managed || pair.Key != "managedFields") && !(field == "columnDefinitions" && pair.Key == "description"))
            .OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => KeyValuePair.Create(pair.Key, Plain(pair.Value, pair.Key, managed)))),
        JsonArray list => new JsonArray([.. Ordered(list, field).Select(item => Plain(item, field, managed))]),
        JsonValue value when value.GetValueKind() == JsonValueKind.String => JsonValue.Create(Word(field, value.GetValue<string>())),
        _ => node?.DeepClone(),
    };

    /// <summary>Old servers write a template's unset time as null, and the last page's token as "": the same as leaving them out.</summary>
    private static bool IsEmptyForm(string field, JsonNode? value) =>
        (field == "creationTimestamp" && value is null) || (field == "continue" && value?.ToString().Length == 0);

    /// <summary>Lists of which no server promises an order.</summary>
    private static IEnumerable<JsonNode?> Ordered(JsonArray list, string field) => field switch
    {
        "resources" or "conditions" or "causes" when list.All(item => item is JsonObject) => list.OrderBy(
            item => item?["name"]?.ToString() ?? item?["type"]?.ToString() ?? item?["field"]?.ToString(), StringComparer.Ordinal),
        // Real servers sort them by time, to the second: chance decides within one.
        "managedFields" => list.OrderBy(item => $"{item?["manager"]} {item?["operation"]} {item?["subresource"]}", StringComparer.Ordinal),
        "verbs" or "shortNames" => list.OrderBy(item => item?.ToString(), StringComparer.Ordinal),
        _ => list,
    };

    private string Word(string field, string value) => field switch
    {
        "uid" => Symbol(value, "uid"),
        "resourceVersion" => value.Length == 0 ? "" : Symbol(value, "version"),
        "continue" => value.Length == 0 ? "" : "(token)",
        "cells" when AgePattern().IsMatch(value) => "(age)",
        _ => TimePattern().IsMatch(value) ? "(time)" : value,
    };

    private string Symbol(string value, string kind)
    {
        if (!_words.TryGetValue(value, out string? word))
            _words[value] = word = $"({kind} {_words.Values.Count(one => one.StartsWith($"({kind}", StringComparison.Ordinal)) + 1})";
        return word;
    }

    [GeneratedRegex(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
    private static partial Regex TimePattern();

    [GeneratedRegex(@"^(\d+[smhd])+$")]
    private static partial Regex AgePattern();
}
