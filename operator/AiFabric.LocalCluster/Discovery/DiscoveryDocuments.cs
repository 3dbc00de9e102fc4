using System.Text.Json.Nodes;
using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Discovery;

/// <summary>What <c>/api</c> and <c>/apis</c> tell about the served groups and resources, in the plain and the aggregated form.</summary>
internal sealed class DiscoveryDocuments(TypeRegistry types)
{
    private static readonly string[] Verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

    /// <summary>Reviews are answered at once and never stored, so they are no resource types.</summary>
    private static readonly (string Group, string Plural, string Kind, bool Namespaced)[] Reviews =
    [
        ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", false),
        ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", false),
        ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", false),
        ("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", true),
        ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", false),
        ("authentication.k8s.io", "tokenreviews", "TokenReview", false),
    ];

    /// <summary>GET /api.</summary>
    public static JsonObject CoreVersions() => new()
    {
        ["kind"] = "APIVersions",
        ["versions"] = new JsonArray("v1"),
        ["serverAddressByClientCIDRs"] = new JsonArray(),
    };

    /// <summary>GET /apis.</summary>
    public JsonObject GroupList() => new()
    {
        ["kind"] = "APIGroupList",
        ["apiVersion"] = "v1",
        ["groups"] = new JsonArray([.. Groups().Where(group => group.Length > 0).Select(GroupEntry)]),
    };

    /// <summary>GET /apis/{group}, or null.</summary>
    public JsonObject? Group(string group)
    {
        if (!Groups().Contains(group))
            return null;
        var made = GroupEntry(group);
        made["kind"] = "APIGroup";
        made["apiVersion"] = "v1";
        return made;
    }

    /// <summary>GET /api/v1 or /apis/{group}/{version}, or null.</summary>
    public JsonObject? Resources(string group, string version)
    {
        var entries = Entries(group, version);
        var reviews = version == "v1" ? Reviews.Where(review => review.Group == group).ToArray() : [];
        if (entries.Count + reviews.Length == 0)
            return null;
        var resources = entries.SelectMany(PlainResources).Concat(reviews.Select(review => (JsonNode)new JsonObject
        {
            ["name"] = review.Plural,
            ["singularName"] = "",
            ["namespaced"] = review.Namespaced,
            ["kind"] = review.Kind,
            ["verbs"] = new JsonArray("create"),
        }));
        return new()
        {
            ["kind"] = "APIResourceList",
            ["apiVersion"] = "v1",
            ["groupVersion"] = group.Length == 0 ? version : $"{group}/{version}",
            ["resources"] = new JsonArray([.. resources]),
        };
    }

    /// <summary>The aggregated form of /api (core only) or /apis (all others).</summary>
    public JsonObject Aggregated(bool core, string version)
    {
        var groups = Groups().Where(group => group.Length == 0 == core).Select(group => (JsonNode)new JsonObject
        {
            ["metadata"] = core ? new JsonObject() : new JsonObject { ["name"] = group },
            ["versions"] = new JsonArray([.. Versions(group).Select(JsonNode (one) => AggregatedVersion(group, one))]),
        });
        return new()
        {
            ["kind"] = "APIGroupDiscoveryList",
            ["apiVersion"] = $"apidiscovery.k8s.io/{version}",
            ["metadata"] = new JsonObject(),
            ["items"] = new JsonArray([.. groups]),
        };
    }

    private IReadOnlyList<string> Groups() =>
        [.. types.Entries.Select(entry => entry.Type.Group).Concat(Reviews.Select(review => review.Group)).Distinct()];

    private IReadOnlyList<string> Versions(string group) =>
        [.. types.Entries.Where(entry => entry.Type.Group == group).OrderByDescending(entry => entry.Preferred)
            .Select(entry => entry.Type.Version).DefaultIfEmpty("v1").Distinct()];

    private IReadOnlyList<TypeEntry> Entries(string group, string version) =>
        [.. types.Entries.Where(entry => entry.Type.Group == group && entry.Type.Version == version)];

    private JsonObject GroupEntry(string group)
    {
        JsonObject Version(string version) => new() { ["groupVersion"] = $"{group}/{version}", ["version"] = version };
        var versions = Versions(group);
        return new()
        {
            ["name"] = group,
            ["versions"] = new JsonArray([.. versions.Select(Version)]),
            ["preferredVersion"] = Version(versions[0]),
        };
    }

    private static IEnumerable<JsonNode> PlainResources(TypeEntry entry)
    {
        var type = entry.Type;
        var main = new JsonObject
        {
            ["name"] = type.Plural,
            ["singularName"] = type.Singular,
            ["namespaced"] = type.Namespaced,
            ["kind"] = type.Kind,
            ["verbs"] = Texts(VerbsOf(type)),
            ["storageVersionHash"] = StorageHash(type),
        };
        if (type.ShortNames.Count > 0)
            main["shortNames"] = Texts(type.ShortNames);
        if (type.Categories.Count > 0)
            main["categories"] = Texts(type.Categories);
        yield return main;
        foreach (var name in type.Subresources)
        {
            var (group, version, kind, verbs) = Subresource(type, name);
            var made = new JsonObject
            {
                ["name"] = $"{type.Plural}/{name}",
                ["singularName"] = "",
                ["namespaced"] = type.Namespaced,
                ["kind"] = kind,
                ["verbs"] = Texts(verbs),
            };
            if (group != type.Group)
                (made["group"], made["version"]) = (group, version);
            yield return made;
        }
    }

    private JsonObject AggregatedVersion(string group, string version)
    {
        var resources = Entries(group, version).Select(JsonNode (entry) => AggregatedResource(entry)).Concat(Reviews.Where(review => review.Group == group).Select(review => (JsonNode)new JsonObject
        {
            ["resource"] = review.Plural,
            ["responseKind"] = Kind(group, version, review.Kind),
            ["scope"] = review.Namespaced ? "Namespaced" : "Cluster",
            ["singularResource"] = review.Kind.ToLowerInvariant(),
            ["verbs"] = new JsonArray("create"),
        }));
        return new()
        {
            ["version"] = version,
            ["freshness"] = "Current",
            ["resources"] = new JsonArray([.. resources]),
        };
    }

    private static JsonObject AggregatedResource(TypeEntry entry)
    {
        var type = entry.Type;
        var made = new JsonObject
        {
            ["resource"] = type.Plural,
            ["responseKind"] = Kind(type.Group, type.Version, type.Kind),
            ["scope"] = type.Namespaced ? "Namespaced" : "Cluster",
            ["singularResource"] = type.Singular,
            ["verbs"] = Texts(VerbsOf(type)),
        };
        if (type.ShortNames.Count > 0)
            made["shortNames"] = Texts(type.ShortNames);
        if (type.Categories.Count > 0)
            made["categories"] = Texts(type.Categories);
        if (type.Subresources.Count == 0)
            return made;
        made["subresources"] = new JsonArray([.. type.Subresources.Select(name =>
        {
            var (group, version, kind, verbs) = Subresource(type, name);
            return (JsonNode)new JsonObject { ["subresource"] = name, ["responseKind"] = Kind(group, version, kind), ["verbs"] = Texts(verbs) };
        })]);
        return made;
    }

    private static (string Group, string Version, string Kind, string[] Verbs) Subresource(ResourceType type, string name) => name switch
    {
        "scale" => ("autoscaling", "v1", "Scale", ["get", "patch", "update"]),
        "log" => (type.Group, type.Version, type.Kind, ["get"]),
        "eviction" => ("policy", "v1", "Eviction", ["create"]),
        "binding" => ("", "v1", "Binding", ["create"]),
        "finalize" => (type.Group, type.Version, type.Kind, ["update"]),
        _ => (type.Group, type.Version, type.Kind, ["get", "patch", "update"]),
    };

    private static JsonObject Kind(string group, string version, string kind) => new() { ["group"] = group, ["version"] = version, ["kind"] = kind };

    private static IEnumerable<string> VerbsOf(ResourceType type) =>
        type.Resource == BuiltInTypes.Namespaces.Resource ? Verbs.Except(["deletecollection"]) : Verbs;

    private static JsonArray Texts(IEnumerable<string> texts) => new([.. texts.Select(text => (JsonNode)text)]);

    private static string StorageHash(ResourceType type) =>
        Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes($"{type.ApiVersion}/{type.Kind}")).AsSpan(0, 8));
}
