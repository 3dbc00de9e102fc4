namespace AiFabric.Worker.Storage.Sources;

/// <summary><c>hf://[datasets/]org/name[@revision][/path]</c>, as the hub's own tools write it.</summary>
/// <param name="Kind"><c>models</c> or <c>datasets</c>, as in the hub's API.</param>
/// <param name="Repository"><c>org/name</c>.</param>
/// <param name="Revision">Branch, tag or commit.</param>
/// <param name="Path">A file or folder of the repository; empty for all of it.</param>
internal sealed record HubUri(string Kind, string Repository, string Revision, string Path)
{
    private const string Datasets = "datasets";

    /// <exception cref="StorageException">It names no repository, or two revisions.</exception>
    public static HubUri Parse(string uri, string? revision)
    {
        string[] parts = uri["hf://".Length..].Split('/', StringSplitOptions.RemoveEmptyEntries);
        string kind = parts is [Datasets, ..] ? Datasets : "models";
        int first = kind == Datasets ? 1 : 0;
        if (parts.Length < first + 2)
            throw new StorageException($"'{uri}' names no repository; write hf://org/name, hf://org/name@revision or hf://datasets/org/name/file.jsonl.");
        string[] name = parts[first + 1].Split('@', 2);
        string? pinned = name.Length > 1 ? Uri.UnescapeDataString(name[1]) : null;
        if (pinned is not null && revision is not null && pinned != revision)
            throw new StorageException($"'{uri}' names the revision '{pinned}', yet '{revision}' is asked for; give one of them.");
        return new HubUri(kind, $"{parts[first]}/{name[0]}", pinned ?? revision ?? "main", string.Join('/', parts[(first + 2)..]));
    }

    /// <summary>Where the API tells what the repository holds.</summary>
    public Uri ApiUri(Uri endpoint) => new(endpoint, $"api/{Kind}/{Repository}/revision/{Uri.EscapeDataString(Revision)}?blobs=true");

    /// <summary>Where a file's bytes are.</summary>
    /// <param name="endpoint">The hub, ending with a slash.</param>
    /// <param name="commit">The commit the revision stood for, so that a moving branch gives no mixture.</param>
    /// <param name="file">Path in the repository.</param>
    public Uri FileUri(Uri endpoint, string commit, string file)
    {
        string prefix = Kind == Datasets ? Datasets + "/" : "";
        return new Uri(endpoint, $"{prefix}{Repository}/resolve/{Uri.EscapeDataString(commit)}/{string.Join('/', file.Split('/').Select(Uri.EscapeDataString))}");
    }

    /// <summary>Whether a file of the repository is asked for: under <see cref="Path"/>; of a whole model only what a worker reads.</summary>
    public bool Wants(string file)
    {
        if (Path.Length > 0)
            return file == Path || file.StartsWith(Path + "/", StringComparison.Ordinal);
        if (Kind == Datasets)
            return true;
        // How a sentence-transformers model pools stands in a folder of its own.
        if (file.EndsWith("_Pooling/config.json", StringComparison.Ordinal))
            return true;
        // The same weights often lie beside in other formats, many times the size; folders hold other tools' variants, Mistral's own file all weights once more.
        return !file.Contains('/', StringComparison.Ordinal) && !file.StartsWith("consolidated", StringComparison.Ordinal)
            && (file.EndsWith(".safetensors", StringComparison.Ordinal) || file.EndsWith(".json", StringComparison.Ordinal)
                || file.EndsWith(".model", StringComparison.Ordinal) || file.EndsWith(".jinja", StringComparison.Ordinal) || file.EndsWith(".txt", StringComparison.Ordinal));
    }

    /// <summary>The file's name below the asked folder; the name alone when the file itself was asked for.</summary>
    public string LocalName(string file) => Path.Length == 0 ? file : file == Path ? file[(file.LastIndexOf('/') + 1)..] : file[(Path.Length + 1)..];
}
