namespace AiFabric.Tests.Layering;

/// <summary>The checkout that these tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    /// <summary>Source files of a folder, relative to the root, build output left out.</summary>
    public static IEnumerable<string> Files(string folder, string pattern) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories)
            .Select(f => Path.GetRelativePath(Root, f))
            .Where(f => !f.Split('/').Any(p => p is "artifacts" or "bin" or "obj" or "node_modules" or ".git"));

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    private static string Find(string folder) =>
        File.Exists(Path.Combine(folder, "AiFabric.sln"))
            ? folder
            : Find(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}
