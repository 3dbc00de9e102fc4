using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Json;
using AiFabric.LocalCluster.Schema;

namespace AiFabric.LocalCluster.Registry;

/// <summary>The served types: the built-in ones and those of the stored CustomResourceDefinitions. Reads need no lock.</summary>
internal sealed class TypeRegistry
{
    private static readonly TypeEntry[] BuiltIn =
        [.. BuiltInTypes.All.Select(type => new TypeEntry(type, BuiltInSchemas.For(type)))];

    private volatile Snapshot _snapshot = new(BuiltIn);

    /// <summary>All entries; one per served version.</summary>
    public IReadOnlyList<TypeEntry> Entries => _snapshot.Entries;

    /// <summary>The entry in the preferred version.</summary>
    public TypeEntry? Find(string group, string plural) => _snapshot.Preferred.GetValueOrDefault((group, plural));

    public TypeEntry? Find(string group, string version, string plural) =>
        _snapshot.ByVersion.GetValueOrDefault((group, version, plural));

    /// <summary>The entry of a type that a caller holds; the type may have been deleted since.</summary>
    /// <exception cref="ApiException">404 when the type is no longer served.</exception>
    public TypeEntry Require(ResourceType type) =>
        Find(type.Group, type.Version, type.Plural) ?? throw ApiException.NoSuchPath();

    /// <summary>Takes in the CustomResourceDefinitions as they are stored now.</summary>
    public void Load(IEnumerable<JsonObject> definitions) =>
        _snapshot = new([.. BuiltIn, .. definitions.SelectMany(Entry)]);

    private static IEnumerable<TypeEntry> Entry(JsonObject definition)
    {
        var spec = definition.Map("spec");
        var names = definition.Map("status", "acceptedNames") ?? spec.Map("names");
        if (spec is null || names.Text("plural") is not { } plural || names.Text("kind") is not { } kind)
            yield break;
        var versions = spec.Items("versions")?.OfType<JsonObject>().Where(version => version.Flag("served")).ToArray() ?? [];
        var preferred = versions.FirstOrDefault(version => version.Flag("storage")) ?? versions.FirstOrDefault();
        foreach (var version in versions)
        {
            var subresources = version.Map("subresources");
            var type = new ResourceType(
                spec.Text("group") ?? "", version.Text("name") ?? "", plural, kind, names.Text("singular") ?? kind.ToLowerInvariant(),
                spec.Text("scope") != "Cluster", Texts(names.Items("shortNames")), Texts(names.Items("categories")),
                [.. subresources?.Select(pair => pair.Key) ?? []]);
            yield return new(type, SchemaReader.ReadRoot(version.Map("schema", "openAPIV3Schema")))
            {
                Custom = true,
                Preferred = version == preferred,
                Columns = version.Items("additionalPrinterColumns")?.DeepClone() as JsonArray,
                Scale = subresources.Map("scale")?.Clone(),
                ListKind = names.Text("listKind") ?? $"{kind}List",
            };
        }
    }

    private static string[] Texts(JsonArray? items) => [.. items?.Select(item => item!.ToString()) ?? []];

    private sealed class Snapshot(IReadOnlyList<TypeEntry> entries)
    {
        public IReadOnlyList<TypeEntry> Entries { get; } = entries;

        public Dictionary<(string Group, string Plural), TypeEntry> Preferred { get; } = entries
            .Where(entry => entry.Preferred)
            .DistinctBy(entry => (entry.Type.Group, entry.Type.Plural))
            .ToDictionary(entry => (entry.Type.Group, entry.Type.Plural));

        public Dictionary<(string Group, string Version, string Plural), TypeEntry> ByVersion { get; } = entries
            .DistinctBy(entry => (entry.Type.Group, entry.Type.Version, entry.Type.Plural))
            .ToDictionary(entry => (entry.Type.Group, entry.Type.Version, entry.Type.Plural));
    }
}
