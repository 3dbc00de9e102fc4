namespace AiFabric.Worker.Storage;

/// <summary>Names that servers and archives give to files, turned into paths that cannot leave their folder.</summary>
internal static class SafePath
{
    /// <summary>The path of <paramref name="name"/> below <paramref name="folder"/>.</summary>
    /// <exception cref="DownloadException">The name is absolute, empty or climbs with <c>..</c>.</exception>
    public static string Below(string folder, string name)
    {
        string[] parts = name.Split('/', StringSplitOptions.RemoveEmptyEntries);
        string[] kept = [.. parts.Where(part => part != ".")];
        bool bad = kept.Length == 0 || name.StartsWith('/') || name.Any(c => c is '\\' or '\0' || char.IsControl(c)) || kept.Contains("..");
        return bad
            ? throw new DownloadException($"the file name '{Printable(name)}' is refused: it must stay inside of its folder", retryable: false)
            : Path.Combine([folder, .. kept]);
    }

    private static string Printable(string name) => new([.. name.Take(200).Select(c => char.IsControl(c) ? '?' : c)]);
}
