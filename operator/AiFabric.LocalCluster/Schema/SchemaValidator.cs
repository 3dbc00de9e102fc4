using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Schema;

/// <summary>Checks a value against a shape, with the words and reasons of a Kubernetes API server.</summary>
internal static class SchemaValidator
{
    private static readonly TimeSpan PatternTimeout = TimeSpan.FromSeconds(1);

    /// <summary>What is wrong with an object; empty when nothing is.</summary>
    public static IReadOnlyList<StatusCause> Validate(SchemaNode? shape, JsonObject found)
    {
        var causes = new List<StatusCause>();
        if (shape is null)
            return causes;
        foreach (var (name, child) in shape.Properties)
        {
            if (name is not ("apiVersion" or "kind" or "metadata") && found.TryGetPropertyValue(name, out var value))
                Check(child, value, name, causes);
        }

        CheckRequired(shape, found, "", causes);
        CheckCombinations(shape, found, "", causes);
        return causes;
    }

    private static void Check(SchemaNode shape, JsonNode? value, string path, List<StatusCause> causes)
    {
        if (value is null && shape.Nullable)
            return;
        if (!IsOfType(shape, value))
        {
            var actual = TypeName(value);
            var wanted = shape.IntOrString ? "integer,string" : shape.Type;
            causes.Add(new("FieldValueTypeInvalid", $"Invalid value: \"{actual}\": {path} in body must be of type {wanted}: \"{actual}\"", path));
            return;
        }

        switch (value)
        {
            case JsonObject map:
                CheckMap(shape, map, path, causes);
                break;
            case JsonArray list:
                CheckList(shape, list, path, causes);
                break;
            default:
                ScalarChecks.Check(shape, value, path, causes);
                break;
        }

        CheckEnum(shape, value, path, causes);
        CheckCombinations(shape, value, path, causes);
    }

    private static void CheckMap(SchemaNode shape, JsonObject map, string path, List<StatusCause> causes)
    {
        CheckRequired(shape, map, path, causes);
        foreach (var (name, value) in map)
        {
            if (shape.Child(name) is { } child && !(shape.EmbeddedResource && name == "metadata"))
                Check(child, value, $"{path}.{name}", causes);
        }

        if (shape.Constraints?.MinProperties is { } least && map.Count < least)
            Add(causes, "FieldValueInvalid", $"Invalid value: {map.Count}: {path} in body should have at least {least} properties", path);
        if (shape.Constraints?.MaxProperties is { } most && map.Count > most)
            Add(causes, "FieldValueTooMany", $"Too many: {map.Count}: must have at most {most} items", path);
    }

    private static void CheckList(SchemaNode shape, JsonArray list, string path, List<StatusCause> causes)
    {
        if (shape.Items is { } item)
        {
            for (var i = 0; i < list.Count; i++)
                Check(item, list[i], $"{path}[{i}]", causes);
        }

        if (shape.Constraints?.MinItems is { } least && list.Count < least)
            Add(causes, "FieldValueInvalid", $"Invalid value: {list.Count}: {path} in body should have at least {least} items", path);
        if (shape.Constraints?.MaxItems is { } most && list.Count > most)
            Add(causes, "FieldValueTooMany", $"Too many: {list.Count}: must have at most {most} items", path);
        CheckDuplicates(shape, list, path, causes);
    }

    private static void CheckDuplicates(SchemaNode shape, JsonArray list, string path, List<StatusCause> causes)
    {
        if (shape.Merge == ListMerge.Atomic && shape.Constraints?.UniqueItems != true)
            return;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < list.Count; i++)
        {
            var identity = shape.Merge == ListMerge.Map && list[i] is JsonObject item
                ? new JsonObject(shape.ListKeys.Select(key => KeyValuePair.Create(key, item[key]?.DeepClone()))).ToJsonString()
                : list[i]?.ToJsonString() ?? "null";
            if (!seen.Add(identity))
                Add(causes, "FieldValueDuplicate", $"Duplicate value: {identity}", $"{path}[{i}]");
        }
    }

    private static void CheckRequired(SchemaNode shape, JsonObject map, string path, List<StatusCause> causes)
    {
        foreach (var name in shape.Required)
        {
            if (!map.ContainsKey(name))
                Add(causes, "FieldValueRequired", "Required value", path.Length == 0 ? name : $"{path}.{name}");
        }
    }

    private static void CheckEnum(SchemaNode shape, JsonNode? value, string path, List<StatusCause> causes)
    {
        if (shape.Constraints?.Enum is not { Count: > 0 } allowed || allowed.Any(one => JsonNode.DeepEquals(one, value)))
            return;
        var list = string.Join(", ", allowed.Select(one => one?.ToJsonString() ?? "null"));
        Add(causes, "FieldValueNotSupported", $"Unsupported value: {value?.ToJsonString() ?? "null"}: supported values: {list}", path);
    }

    private static void CheckCombinations(SchemaNode shape, JsonNode? value, string path, List<StatusCause> causes)
    {
        if (shape.Constraints is not { } rules)
            return;
        var name = $"\"{path}\"";
        string Value() => value is JsonValue ? value.ToJsonString() : "\"\"";
        foreach (var part in rules.AllOf)
            Check(part, value, path, causes);
        if (rules.AnyOf.Count > 0 && !rules.AnyOf.Any(part => Fits(part, value)))
            Add(causes, "FieldValueInvalid", $"Invalid value: {Value()}: {name} must validate at least one schema (anyOf)", path);
        if (rules.OneOf.Count > 0 && rules.OneOf.Count(part => Fits(part, value)) is var fits and not 1)
        {
            var found = fits == 0 ? "Found none valid" : $"Found {fits} valid alternatives";
            Add(causes, "FieldValueInvalid", $"Invalid value: {Value()}: {name} must validate one and only one schema (oneOf). {found}", path);
        }

        if (rules.Not is { } not && Fits(not, value))
            Add(causes, "FieldValueInvalid", $"Invalid value: {Value()}: {name} must not validate the schema (not)", path);
    }

    private static bool Fits(SchemaNode shape, JsonNode? value)
    {
        var causes = new List<StatusCause>();
        Check(shape, value, "", causes);
        return causes.Count == 0;
    }

    private static bool IsOfType(SchemaNode shape, JsonNode? value)
    {
        var actual = TypeName(value);
        if (shape.IntOrString)
            return actual is "integer" or "string" || (shape.Format == "quantity" && actual == "number");
        return shape.Type is null || shape.Type == actual || (shape.Type == "number" && actual == "integer");
    }

    private static string TypeName(JsonNode? value) => value?.GetValueKind() switch
    {
        null or JsonValueKind.Null => "null",
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.True or JsonValueKind.False => "boolean",
        _ => ScalarChecks.Number(value) is var number && number == Math.Floor(number) ? "integer" : "number",
    };

    private static void Add(List<StatusCause> causes, string reason, string message, string path) => causes.Add(new(reason, message, path));

    /// <summary>Bounds on numbers and strings.</summary>
    private static class ScalarChecks
    {
        public static double Number(JsonNode value) => double.Parse(value.ToJsonString(), CultureInfo.InvariantCulture);

        public static void Check(SchemaNode shape, JsonNode? value, string path, List<StatusCause> causes)
        {
            if (shape.Constraints is not { } rules || value is null)
                return;
            if (value.GetValueKind() == JsonValueKind.Number)
                CheckNumber(rules, value, path, causes);
            else if (value.GetValueKind() == JsonValueKind.String)
                CheckText(rules, value.GetValue<string>(), path, causes);
        }

        private static void CheckNumber(Constraints rules, JsonNode value, string path, List<StatusCause> causes)
        {
            var number = Number(value);
            var text = value.ToJsonString();
            if (rules.Minimum is { } least && (rules.ExclusiveMinimum ? number <= least : number < least))
            {
                var words = rules.ExclusiveMinimum ? "greater than" : "greater than or equal to";
                Add(causes, "FieldValueInvalid", $"Invalid value: {text}: {path} in body should be {words} {least}", path);
            }

            if (rules.Maximum is { } most && (rules.ExclusiveMaximum ? number >= most : number > most))
            {
                var words = rules.ExclusiveMaximum ? "less than" : "less than or equal to";
                Add(causes, "FieldValueInvalid", $"Invalid value: {text}: {path} in body should be {words} {most}", path);
            }

            if (rules.MultipleOf is { } step && Math.Abs((number / step) - Math.Round(number / step)) > 1e-9)
                Add(causes, "FieldValueInvalid", $"Invalid value: {text}: {path} in body should be a multiple of {step}", path);
        }

        private static void CheckText(Constraints rules, string text, string path, List<StatusCause> causes)
        {
            var length = text.EnumerateRunes().Count();
            // A text's first fault is told alone, as real servers do.
            if (rules.MaxLength is { } most && length > most)
                Add(causes, "FieldValueTooLong", $"Too long: may not be more than {most} bytes", path);
            else if (rules.MinLength is { } least && length < least)
                Add(causes, "FieldValueInvalid", $"Invalid value: \"{text}\": {path} in body should be at least {least} chars long", path);
            else if (rules.Pattern is { } pattern && !Regex.IsMatch(text, pattern, RegexOptions.CultureInvariant, PatternTimeout))
                Add(causes, "FieldValueInvalid", $"Invalid value: \"{text}\": {path} in body should match '{pattern}'", path);
        }
    }
}
