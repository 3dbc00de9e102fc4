using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Schema;

/// <summary>Lets an object into the store only in its type's shape.</summary>
internal static class SchemaAdmission
{
    /// <summary>Prunes, defaults and validates an object in place.</summary>
    /// <exception cref="ApiException">400 for unknown fields in strict mode and for wrong types in built-in kinds, 422 when invalid.</exception>
    public static void Admit(TypeEntry entry, JsonObject found, WriteOptions options)
    {
        Report(entry.Type, SchemaDecoder.Decode(entry.Shape, found), options);
        var type = entry.Type;
        var causes = SchemaValidator.Validate(entry.Shape, found);
        if (causes.Count == 0)
            return;
        // A built-in object of a wrong type fails when it is decoded, before any validation.
        if (!entry.Custom)
        {
            throw ApiException.BadRequest(
                $"{type.Kind} in version \"{type.Version}\" cannot be handled as a {type.Kind}: "
                + string.Join(", ", causes.Select(cause => $"{cause.Field}: {cause.Message}")));
        }

        throw ApiException.Invalid(type, found.Text("metadata", "name") ?? "", causes);
    }

    /// <summary>Only prunes: for a configuration to apply, which must not claim defaults.</summary>
    public static void Prune(TypeEntry entry, JsonObject found, WriteOptions options) =>
        Report(entry.Type, SchemaDecoder.Decode(entry.Shape, found, defaults: false), options);

    private static void Report(ResourceType type, IReadOnlyList<string> paths, WriteOptions options)
    {
        var unknown = paths.Select(path => $"unknown field \"{path}\"").ToArray();
        if (unknown.Length > 0 && options.Validation == FieldValidation.Strict)
        {
            throw ApiException.BadRequest(
                $"{type.Kind} in version \"{type.Version}\" cannot be handled as a {type.Kind}: strict decoding error: {string.Join(", ", unknown)}");
        }

        if (options.Validation == FieldValidation.Warn && options.Warnings is { } warnings)
        {
            foreach (var warning in unknown)
                warnings.Add(warning);
        }
    }
}
