using System.Text.Json.Serialization;

namespace AiFabric.Protocol.OpenAI;

/// <summary>A file that a client has put here, as <c>/v1/files</c> answers it.</summary>
/// <remarks>Source: OpenAI's API reference, the File object.</remarks>
public sealed record FileObject
{
    public required string Id { get; init; }

    public string Object { get; set; } = "file";

    public required long Bytes { get; init; }

    /// <summary>Unix seconds.</summary>
    public required long CreatedAt { get; init; }

    public required string Filename { get; init; }

    /// <summary><c>fine-tune</c>.</summary>
    public required string Purpose { get; init; }

    /// <summary>Always <c>processed</c>: a file is checked while it is put here.</summary>
    public string Status { get; set; } = "processed";
}

/// <summary>A page of things with ids, newest first unless asked otherwise.</summary>
public record Page<T>
{
    public string Object { get; set; } = "list";

    public required IReadOnlyList<T> Data { get; init; }

    public bool HasMore { get; init; }
}

/// <summary>Answer of <c>GET /v1/files</c>.</summary>
public sealed record FilePage : Page<FileObject>
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FirstId { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? LastId { get; init; }
}

/// <summary>Answer of <c>DELETE /v1/files/{id}</c>.</summary>
public sealed record FileDeleted
{
    public required string Id { get; init; }

    public string Object { get; set; } = "file";

    public bool Deleted { get; init; }
}
