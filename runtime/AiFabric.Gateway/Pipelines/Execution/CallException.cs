namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>A stage's call failed; the message says why, for whoever runs the pipeline.</summary>
/// <param name="message">Why.</param>
/// <param name="mayRetry">Whether another replica might do better.</param>
/// <param name="cause">What broke, if anything did.</param>
public sealed class CallException(string message, bool mayRetry, Exception? cause = null) : Exception(message, cause)
{
    public bool MayRetry { get; } = mayRetry;
}
