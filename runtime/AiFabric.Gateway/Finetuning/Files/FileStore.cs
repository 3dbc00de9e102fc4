using System.Security.Cryptography;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Options;

namespace AiFabric.Gateway.Finetuning.Files;

/// <summary>The files that clients have put here. A file is there whole, with its description, or not at all.</summary>
/// <remarks><c>FOLDER/files/ID/description.json</c> and <c>FOLDER/files/ID/KEY/content.jsonl</c>.</remarks>
public sealed class FileStore(IOptions<GatewayOptions> options, TimeProvider time)
{
    private const string Description = "description.json";
    private const string Content = "content.jsonl";

    private readonly DurableFolder _folder = new(Path.Combine(options.Value.FilesFolder ?? "", "files"));

    /// <summary>Starts a file. Disposed before <see cref="NewFile.Keep(LineFormat, string)"/>, nothing of it stays.</summary>
    /// <exception cref="IOException">The disk is full or away.</exception>
    public NewFile Begin(string tenant, string filename)
    {
        string id = NewId("file-");
        string folder = _folder.At($".{id}");
        string key = RandomNumberGenerator.GetHexString(32, lowercase: true);
        Directory.CreateDirectory(Path.Combine(folder, key));
        return new NewFile(this, new StoredFile(id, tenant, key, filename, 0, LineFormat.Text, time.GetUtcNow().ToUnixTimeSeconds()), folder);
    }

    /// <summary>A tenant's file; null when it has none of that id.</summary>
    public StoredFile? Find(string id, string tenant) => Read(id) is { } file && file.Tenant == tenant ? file : null;

    /// <summary>A tenant's files, newest first.</summary>
    public IReadOnlyList<StoredFile> List(string tenant) =>
        [.. _folder.Names().Select(Read).OfType<StoredFile>().Where(file => file.Tenant == tenant).OrderByDescending(file => (file.CreatedAt, file.Id))];

    /// <summary>Path of the content, for whoever knows the key; null for anybody else.</summary>
    public string? Fetch(string id, string key) =>
        Read(id) is { } file && CryptographicOperations.FixedTimeEquals(System.Text.Encoding.UTF8.GetBytes(file.Key), System.Text.Encoding.UTF8.GetBytes(key)) ? PathOf(file) : null;

    public string PathOf(StoredFile file) => Path.Combine(_folder.At(file.Id), file.Key, Content);

    /// <summary>Where workers find the content.</summary>
    public string UriOf(StoredFile file) => $"{options.Value.FilesUri?.TrimEnd('/')}/files/{file.Id}/{file.Key}/{Content}";

    public void Delete(StoredFile file)
    {
        // First out of sight, then away: a kill between the two leaves a folder that nobody lists.
        string gone = _folder.At($".{file.Id}");
        Directory.Move(_folder.At(file.Id), gone);
        Directory.Delete(gone, recursive: true);
    }

    /// <summary>A name that nobody guesses.</summary>
    public static string NewId(string prefix) => prefix + RandomNumberGenerator.GetString("0123456789abcdefghijklmnopqrstuvwxyz", 24);

    private StoredFile? Read(string id) =>
        id.StartsWith("file-", StringComparison.Ordinal) && id.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')
            ? _folder.Below(id).Read(Description, StoredFileJson.Default.StoredFile)
            : null;

    /// <summary>A file that is being written.</summary>
    public sealed class NewFile : IAsyncDisposable
    {
        private readonly FileStore _store;
        private readonly StoredFile _file;
        private readonly string _folder;
        private bool _kept;

        internal NewFile(FileStore store, StoredFile file, string folder)
        {
            (_store, _file, _folder) = (store, file, folder);
            Stream = File.Create(Path.Combine(folder, file.Key, Content));
        }

        /// <summary>Where the content goes.</summary>
        public FileStream Stream { get; }

        /// <summary>Puts the file in its place.</summary>
        /// <exception cref="IOException">The disk is full or away.</exception>
        public StoredFile Keep(LineFormat format, string purpose = FilePurposes.FineTune)
        {
            Stream.Flush(flushToDisk: true);
            StoredFile file = _file with { Bytes = Stream.Length, Format = format, Purpose = purpose };
            Stream.Dispose();
            new DurableFolder(_folder).Write(Description, file, StoredFileJson.Default.StoredFile);
            Directory.Move(_folder, _store._folder.At(file.Id));
            _kept = true;
            return file;
        }

        public async ValueTask DisposeAsync()
        {
            await Stream.DisposeAsync();
            if (!_kept)
                Directory.Delete(_folder, recursive: true);
        }
    }
}

[JsonSourceGenerationOptions(UseStringEnumConverter = true)]
[JsonSerializable(typeof(StoredFile))]
internal sealed partial class StoredFileJson : JsonSerializerContext;
