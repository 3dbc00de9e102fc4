using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace AiFabric.Gateway.AsyncRuns.Storage;

/// <summary>A document as it was read.</summary>
/// <param name="Json">UTF-8.</param>
/// <param name="ETag">Names this state of it: every write makes another.</param>
public sealed record Document(ReadOnlyMemory<byte> Json, string ETag)
{
    /// <exception cref="JsonException">It is of another type.</exception>
    public T As<T>(JsonTypeInfo<T> type) => JsonSerializer.Deserialize(Json.Span, type) ?? throw new JsonException("a document is the JSON null");
}

/// <summary>
/// JSON documents under keys, shared by all replicas of the gateway. That is all that runs ask of a store: no transaction over several documents and no query, which
/// many of Dapr's state components lack.
/// </summary>
public interface IDocuments
{
    /// <summary>Reads a document; null when there is none.</summary>
    /// <exception cref="StorageException">The store does not answer.</exception>
    Task<Document?> ReadAsync(string key, CancellationToken cancellationToken);

    /// <summary>Reads several, in the order of their keys.</summary>
    /// <exception cref="StorageException">The store does not answer.</exception>
    Task<IReadOnlyList<Document?>> ReadAsync(IReadOnlyList<string> keys, CancellationToken cancellationToken);

    /// <summary>Writes a document whatever was there.</summary>
    /// <param name="key">Letters, digits, dots and dashes.</param>
    /// <param name="json">UTF-8.</param>
    /// <param name="keep">After it the store may forget the document; null for never.</param>
    /// <param name="cancellationToken">Stops waiting; the document may be written all the same.</param>
    /// <exception cref="StorageException">The store does not answer; the document may be written all the same.</exception>
    Task WriteAsync(string key, ReadOnlyMemory<byte> json, TimeSpan? keep, CancellationToken cancellationToken);

    /// <summary>Writes a document if it still is as it was read.</summary>
    /// <param name="key">As above.</param>
    /// <param name="json">As above.</param>
    /// <param name="etag">As it was read; null when there was none.</param>
    /// <param name="keep">As above.</param>
    /// <param name="cancellationToken">As above.</param>
    /// <returns>Whether it was written.</returns>
    /// <exception cref="StorageException">The store does not answer; the document may be written all the same.</exception>
    Task<bool> TryWriteAsync(string key, ReadOnlyMemory<byte> json, string? etag, TimeSpan? keep, CancellationToken cancellationToken);

    /// <summary>Deletes a document; nothing happens when there is none.</summary>
    /// <exception cref="StorageException">The store does not answer.</exception>
    Task DeleteAsync(string key, CancellationToken cancellationToken);
}

/// <summary>The store does not answer, or answers with an error of its own.</summary>
public sealed class StorageException(string message, Exception? cause = null) : Exception(message, cause);
