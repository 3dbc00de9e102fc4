namespace AiFabric.Engine.Requests;

/// <summary>The engine does not take a request. <see cref="Code"/> is stable, for clients; the message is for people.</summary>
/// <param name="code">One of <see cref="RejectionCodes"/>.</param>
/// <param name="message">What is wrong and what to change.</param>
/// <param name="param">The request's field at fault, as OpenAI names it; null where none is.</param>
public sealed class EngineRejectedException(string code, string message, string? param = null) : Exception(message)
{
    public string Code { get; } = code;

    public string? Param { get; } = param;
}

/// <summary>Why an engine refuses.</summary>
public static class RejectionCodes
{
    public const string ContextLengthExceeded = "context_length_exceeded";
    public const string AdapterNotFound = "adapter_not_found";
    public const string AdapterInvalid = "adapter_invalid";
    public const string AdapterLimit = "adapter_limit";
    public const string QueueFull = "queue_full";
    public const string EngineStopped = "engine_stopped";
    public const string EngineFailed = "engine_failed";
    public const string InvalidRequest = "invalid_request";
}
