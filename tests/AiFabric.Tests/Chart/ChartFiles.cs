namespace AiFabric.Tests.Chart;

/// <summary>Files of the Helm chart.</summary>
internal static class ChartFiles
{
    public static string Repository { get; } = Root(AppContext.BaseDirectory);

    public static string Folder { get; } = Path.Combine(Repository, "charts", "aifabric");

    public static string Read(params string[] path) => File.ReadAllText(Path.Combine([Folder, .. path]));

    private static string Root(string folder) => File.Exists(Path.Combine(folder, "AiFabric.sln"))
        ? folder
        : Root(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("AiFabric.sln is in no folder above the tests"));
}
