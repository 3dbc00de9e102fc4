namespace AiFabric.Worker.Storage;

/// <summary>What is remote could not be brought here. The message holds the server's own word and says what to do.</summary>
internal sealed class DownloadException : Exception
{
    public DownloadException(string message, bool retryable, Exception? inner = null)
        : base(message, inner) => IsRetryable = retryable;

    /// <summary>Whether trying again may help without anybody's doing: networks, busy servers. A refusal (401, 404) is no such thing.</summary>
    public bool IsRetryable { get; }

    /// <summary>Whether what came is of no use, so that the next try begins anew.</summary>
    public bool IsContentWrong { get; init; }

    /// <summary>How long the server asks to be left alone; null when it does not say.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
