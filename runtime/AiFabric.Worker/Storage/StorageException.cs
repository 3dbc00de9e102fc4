namespace AiFabric.Worker.Storage;

/// <summary>A URI cannot be used. The message names it and says why.</summary>
internal sealed class StorageException(string message) : Exception(message);
