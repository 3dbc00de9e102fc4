namespace AiFabric.Worker;

/// <summary>All log messages of the worker. Ids: 1xx process, 2xx requests, 3xx control, 4xx storage.</summary>
internal static partial class Log
{
    [LoggerMessage(100, LogLevel.Information, "Serving {Model} on {Serving}, control on {Control}; loading {Uri}")]
    public static partial void Started(ILogger log, string model, string serving, string control, string uri);

    [LoggerMessage(101, LogLevel.Information, "Ready after {Seconds:F1} s: context {ContextTokens} tokens")]
    public static partial void Ready(ILogger log, double seconds, int contextTokens);

    [LoggerMessage(102, LogLevel.Error, "The model cannot be served: {Reason}")]
    public static partial void LoadRefused(ILogger log, string reason);

    [LoggerMessage(103, LogLevel.Error, "Loading failed")]
    public static partial void LoadFailed(ILogger log, Exception exception);

    [LoggerMessage(104, LogLevel.Information, "Draining: {Requests} requests may go on for {Seconds} s")]
    public static partial void Draining(ILogger log, int requests, double seconds);

    [LoggerMessage(105, LogLevel.Warning, "Drain time is over: {Requests} requests are ended with an error")]
    public static partial void DrainOver(ILogger log, int requests);

    [LoggerMessage(106, LogLevel.Information, "Stopped")]
    public static partial void Stopped(ILogger log);

    [LoggerMessage(107, LogLevel.Warning, "The control port asks for no token: set --control-token-file, or keep the port out of reach")]
    public static partial void ControlOpen(ILogger log);

    [LoggerMessage(108, LogLevel.Information, "The weights are {Digest}")]
    public static partial void Digest(ILogger log, string digest);

    [LoggerMessage(109, LogLevel.Error, "The weights' digest cannot be computed")]
    public static partial void DigestFailed(ILogger log, Exception exception);

    [LoggerMessage(200, LogLevel.Information, "{Endpoint} {Model}: {PromptTokens} prompt ({CachedTokens} cached) + {CompletionTokens} tokens, first after {FirstMilliseconds:F0} ms, end {Finish} after {Milliseconds:F0} ms")]
    public static partial void RequestDone(ILogger log, string endpoint, string model, int promptTokens, int cachedTokens, int completionTokens, double firstMilliseconds, string finish, double milliseconds);

    [LoggerMessage(201, LogLevel.Error, "{Method} {Path} failed")]
    public static partial void RequestFailed(ILogger log, Exception exception, string method, string path);

    [LoggerMessage(202, LogLevel.Error, "Stream {Id} ends with an error event")]
    public static partial void StreamFailed(ILogger log, Exception exception, string id);

    [LoggerMessage(203, LogLevel.Information, "Embeddings {Model}: {Inputs} inputs, {Tokens} tokens, after {Milliseconds:F0} ms")]
    public static partial void EmbeddingsDone(ILogger log, string model, int inputs, int tokens, double milliseconds);

    [LoggerMessage(300, LogLevel.Information, "Training {Uid} ({Job}): {Change}")]
    public static partial void Training(ILogger log, string uid, string job, string change);

    [LoggerMessage(301, LogLevel.Information, "Adapter {Name} {Digest}: {Change}")]
    public static partial void Adapter(ILogger log, string name, string digest, string change);

    [LoggerMessage(400, LogLevel.Information, "Downloading {Uri} at {Revision}: {Files} files, {Size}")]
    public static partial void Downloading(ILogger log, string uri, string revision, int files, string size);

    [LoggerMessage(401, LogLevel.Information, "Downloaded {Uri} as {Key} in {Seconds:F1} s")]
    public static partial void Downloaded(ILogger log, string uri, string key, double seconds);

    [LoggerMessage(402, LogLevel.Warning, "{Uri}: {Reason}; trying again in {Seconds:F0} s")]
    public static partial void DownloadFailed(ILogger log, string uri, string reason, double seconds);

    [LoggerMessage(403, LogLevel.Warning, "{Uri} cannot be asked what it stands for now ({Reason}); using what it was when last asked")]
    public static partial void ServedFromCache(ILogger log, string uri, string reason);

    [LoggerMessage(404, LogLevel.Information, "Removed {Key} ({Size}) from the model cache: not used for the longest time")]
    public static partial void Evicted(ILogger log, string key, string size);
}
