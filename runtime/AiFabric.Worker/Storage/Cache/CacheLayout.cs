using System.Security.Cryptography;
using System.Text;

namespace AiFabric.Worker.Storage.Cache;

/// <summary>
/// Where things lie in a cache folder. Several workers, of several pods, use one folder at the same time:
/// <code>
/// models/KEY/      files/ and manifest.json: complete, never changed
/// incoming/KEY/    what is being downloaded: ready/ becomes models/KEY, parts/ holds archives, reserved says how many bytes it will take
/// locks/KEY.use    held shared by whoever uses models/KEY, exclusively by whoever removes it; its time is that of the last use
/// locks/KEY.fetch  held by the one worker that downloads
/// locks/room       held while space is counted and made
/// refs/HASH        which KEY a URI stood for when it was last asked
/// </code>
/// KEY is a hash of names, sizes and checksums, so that two URIs of the same content share it.
/// </summary>
internal sealed class CacheLayout
{
    /// <exception cref="StorageException">The folder cannot be made or written.</exception>
    public CacheLayout(string root)
    {
        Root = Path.GetFullPath(root);
        try
        {
            foreach (string folder in (string[])[Models, IncomingRoot, Locks, Refs])
                Directory.CreateDirectory(folder);
            // A folder that exists may yet belong to somebody else.
            using var probe = File.Create(Path.Combine(Locks, $"probe-{Guid.NewGuid():N}"), 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException($"The model cache {Root} cannot be used: {e.Message}. Mount a writable volume there, or set --model-cache.");
        }
    }

    public string Root { get; }

    public string Models => Path.Combine(Root, "models");

    public string IncomingRoot => Path.Combine(Root, "incoming");

    public string RoomLock => Path.Combine(Locks, "room");

    private string Locks => Path.Combine(Root, "locks");

    private string Refs => Path.Combine(Root, "refs");

    /// <summary>The content's own name.</summary>
    public static string KeyOf(RemoteListing listing)
    {
        var text = new StringBuilder();
        foreach (var file in listing.Files.OrderBy(file => file.Path, StringComparer.Ordinal))
        {
            // Without a checksum content is told by where it lies and the server's word for it.
            string content = file.Digest?.ToString() ?? $"{file.Location} {file.ETag ?? file.Hint}";
            text.Append(file.Path).Append('\t').Append(file.Size).Append('\t').Append(file.Packing).Append('\t').Append(content).Append('\n');
        }
        return Hash(text.ToString());
    }

    public string Model(string key) => Path.Combine(Models, key);

    public string Files(string key) => Path.Combine(Model(key), CacheManifest.FilesFolder);

    public string Incoming(string key) => Path.Combine(IncomingRoot, key);

    public string Ready(string key) => Path.Combine(Incoming(key), "ready");

    public string Parts(string key) => Path.Combine(Incoming(key), "parts");

    public string Reserved(string key) => Path.Combine(Incoming(key), "reserved");

    public string UseLock(string key) => Path.Combine(Locks, key + ".use");

    public string FetchLock(string key) => Path.Combine(Locks, key + ".fetch");

    public string Ref(string uri) => Path.Combine(Refs, Hash(uri));

    /// <summary>Bytes of all files in a folder; 0 when it is gone.</summary>
    public static long BytesIn(string folder)
    {
        try
        {
            return new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Exists ? file.Length : 0);
        }
        catch (DirectoryNotFoundException)
        {
            return 0;
        }
        catch (FileNotFoundException)
        {
            return 0; // It was published between listing and looking; the next look counts again.
        }
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..40];
}
