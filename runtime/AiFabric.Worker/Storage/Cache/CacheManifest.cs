using System.Text.Json;
using System.Text.Json.Serialization;

namespace AiFabric.Worker.Storage.Cache;

/// <summary>A file of a complete model.</summary>
internal sealed record CachedFile(string Path, long Size);

/// <summary>What a folder of the cache holds; written last, so that a folder without it is not complete.</summary>
internal sealed record CacheManifest
{
    public const string FilesFolder = "files";

    private const string Name = "manifest.json";

    /// <summary>The URI it was downloaded from first; others may share it.</summary>
    public required string Uri { get; init; }

    public required string Revision { get; init; }

    public required IReadOnlyList<CachedFile> Files { get; init; }

    public long TotalBytes => Files.Sum(file => file.Size);

    /// <summary>Lists what lies in <paramref name="folder"/>'s files and writes the manifest beside them, flushed to disk.</summary>
    public static void Write(string folder, string uri, string revision)
    {
        string files = System.IO.Path.Combine(folder, FilesFolder);
        var manifest = new CacheManifest
        {
            Uri = uri,
            Revision = revision,
            Files =
            [
                .. new DirectoryInfo(files).EnumerateFiles("*", SearchOption.AllDirectories)
                    .Select(file => new CachedFile(System.IO.Path.GetRelativePath(files, file.FullName), file.Length))
                    .OrderBy(file => file.Path, StringComparer.Ordinal),
            ],
        };
        using var stream = new FileStream(System.IO.Path.Combine(folder, Name), FileMode.Create, FileAccess.Write);
        JsonSerializer.Serialize(stream, manifest, CacheJson.Default.CacheManifest);
        stream.Flush(flushToDisk: true);
    }

    /// <summary>The manifest of a folder whose files all have the size they had; null for any other.</summary>
    public static CacheManifest? ReadIfComplete(string folder)
    {
        try
        {
            using var stream = File.OpenRead(System.IO.Path.Combine(folder, Name));
            return JsonSerializer.Deserialize(stream, CacheJson.Default.CacheManifest) is { } manifest && manifest.Files.All(IsThere) ? manifest : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null; // Not there, or damaged: it is fetched anew.
        }

        bool IsThere(CachedFile file) => new FileInfo(System.IO.Path.Combine(folder, FilesFolder, file.Path)) is { Exists: true } info && info.Length == file.Size;
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(CacheManifest))]
internal sealed partial class CacheJson : JsonSerializerContext;
