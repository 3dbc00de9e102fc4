using System.Reflection;

namespace AiFabric.Crds.Schema;

/// <summary>The checked-in definitions (<c>crds/manifests</c>), carried inside this assembly for those who install them.</summary>
public static class CrdManifests
{
    private const string Prefix = "manifests/";

    /// <summary>All definitions as YAML, by file name, in order of name.</summary>
    public static IReadOnlyDictionary<string, string> Read()
    {
        Assembly assembly = typeof(CrdManifests).Assembly;
        var manifests = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            using Stream stream = assembly.GetManifestResourceStream(name)!; // It was just listed.
            using var reader = new StreamReader(stream);
            manifests[name[Prefix.Length..]] = reader.ReadToEnd();
        }
        return manifests;
    }
}
