namespace AiFabric.Benchmarks;

/// <summary>The checkout that the benchmark was built in: recipes, manifests and built executables lie there.</summary>
internal static class Repository
{
    /// <exception cref="BenchException">No folder above <paramref name="folder"/> is a checkout.</exception>
    public static string Root(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : Root(Path.GetDirectoryName(folder) ?? throw new BenchException("no folder above the benchmark holds AiFabric.sln: run it from where it was built"));

    /// <summary>A built executable of a project, in the configuration that the benchmark itself was built in.</summary>
    /// <exception cref="BenchException">It was not built.</exception>
    public static string Executable(string root, string project, string name)
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        string folder = Path.Combine(root, "artifacts", "bin", project, configuration.Contains("debug", StringComparison.Ordinal) ? "debug" : "release");
        // A project of one runtime has it in its folder's name.
        return ((string[])[Path.Combine(folder, name), Path.Combine(folder + "_linux-x64", name)]).FirstOrDefault(File.Exists)
            ?? throw new BenchException($"{Path.Combine(folder, name)} is missing: build {project} first");
    }
}
