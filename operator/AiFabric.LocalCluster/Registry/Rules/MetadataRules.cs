using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AiFabric.LocalCluster.Json;

namespace AiFabric.LocalCluster.Registry.Rules;

/// <summary>What every object's metadata must keep to.</summary>
internal static partial class MetadataRules
{
    private const string NameForm = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
        + "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

    private const string ValueForm = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end "
        + "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

    /// <summary>Checks labels, owners and, in an update of an object that is being deleted, that no finalizer is new.</summary>
    /// <exception cref="ApiException">422 with the field and the reason.</exception>
    public static void Check(ResourceType type, JsonObject next, JsonObject? current)
    {
        StatusCause[] causes = [.. Labels(next), .. Owners(next), .. Finalizers(next, current)];
        if (causes.Length > 0)
            throw ApiException.Invalid(type, next.Text("metadata", "name") ?? "", causes);
    }

    private static IEnumerable<StatusCause> Labels(JsonObject next)
    {
        foreach (var (key, value) in next.Map("metadata", "labels") ?? [])
        {
            if (!Key().IsMatch(key))
                yield return new("FieldValueInvalid", $"Invalid value: \"{key}\": {NameForm}", "metadata.labels");
            if (value?.ToString() is { } text && (text.Length > 63 || !Value().IsMatch(text)))
                yield return new("FieldValueInvalid", $"Invalid value: \"{text}\": {ValueForm}", "metadata.labels");
        }
    }

    private static IEnumerable<StatusCause> Owners(JsonObject next)
    {
        var controllers = (next.Items("metadata", "ownerReferences")?.OfType<JsonObject>() ?? []).Where(owner => owner.Flag("controller")).ToArray();
        if (controllers.Length > 1)
        {
            yield return new(
                "FieldValueInvalid", "Invalid value: Only one reference can have Controller set to true. Found \"true\" in references for "
                + $"{controllers[0].Text("kind")}/{controllers[0].Text("name")} and {controllers[1].Text("kind")}/{controllers[1].Text("name")}", "metadata.ownerReferences");
        }
    }

    private static IEnumerable<StatusCause> Finalizers(JsonObject next, JsonObject? current)
    {
        if (current?.Text("metadata", "deletionTimestamp") is null)
            yield break;
        string[] List(JsonObject found) => [.. found.Items("metadata", "finalizers")?.Select(one => one!.ToString()) ?? []];
        var added = List(next).Except(List(current)).ToArray();
        if (added.Length > 0)
        {
            yield return new(
                "FieldValueForbidden", "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
                + $"[]string{{{string.Join(", ", added.Select(one => $"\"{one}\""))}}}", "metadata.finalizers");
        }
    }

    [GeneratedRegex(@"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$")]
    private static partial Regex Key();

    [GeneratedRegex(@"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
    private static partial Regex Value();
}
