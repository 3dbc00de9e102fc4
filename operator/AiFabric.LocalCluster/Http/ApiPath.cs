using AiFabric.LocalCluster.Registry;

namespace AiFabric.LocalCluster.Http;

/// <summary>What a resource URL names: <c>/api/v1/namespaces/x/pods/y/log</c> or <c>/apis/group/version/...</c>.</summary>
internal sealed record ApiPath(TypeEntry Entry, string? Namespace, string? Name, string? Subresource)
{
    /// <summary>Reads a path; null when it names nothing that is served.</summary>
    public static ApiPath? Parse(string path, TypeRegistry types)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(Uri.UnescapeDataString).ToArray();
        var (group, version, rest) = parts switch
        {
            ["api", var v, .. var tail] => ("", v, tail),
            ["apis", var g, var v, .. var tail] => (g, v, tail),
            _ => ("", "", []),
        };
        return rest switch
        {
            // Longest first: namespaces/x/status is a subresource, namespaces/x/pods a list.
            ["namespaces", var name, ("status" or "finalize") and var sub] when group.Length == 0 => Make(types, group, version, "namespaces", null, name, sub),
            ["namespaces", var ns, var plural, var name, var sub] => Make(types, group, version, plural, ns, name, sub),
            ["namespaces", var ns, var plural, var name] => Make(types, group, version, plural, ns, name, null),
            ["namespaces", var ns, var plural] => Make(types, group, version, plural, ns, null, null),
            [var plural, var name, var sub] => Make(types, group, version, plural, null, name, sub),
            [var plural, var name] => Make(types, group, version, plural, null, name, null),
            [var plural] => Make(types, group, version, plural, null, null, null),
            _ => null,
        };
    }

    private static ApiPath? Make(TypeRegistry types, string group, string version, string plural, string? ns, string? name, string? sub)
    {
        var entry = types.Find(group, version, plural);
        if (entry is null || (ns is not null && !entry.Type.Namespaced) || (name is not null && ns is null && entry.Type.Namespaced))
            return null;
        if (sub is not null && !entry.Type.Has(sub))
            return null;
        return new(entry, ns, name, sub);
    }
}
