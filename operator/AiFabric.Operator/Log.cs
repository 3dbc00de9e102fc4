using AiFabric.Kube;

namespace AiFabric.Operator;

/// <summary>Every log line of the operator. Ids 1101 to 1199.</summary>
internal static partial class Log
{
    [LoggerMessage(1100, LogLevel.Critical, "The settings are refused: {Problems}")]
    public static partial void SettingsRefused(ILogger logger, string problems);

    [LoggerMessage(1101, LogLevel.Information, "Applied the Deployment of model {Model}: revision {Revision}, {Replicas} replicas")]
    public static partial void DeploymentApplied(ILogger logger, NamespacedName model, string? revision, int replicas);

    [LoggerMessage(1102, LogLevel.Information, "Unloading adapter {Adapter} from pod {Pod}: no Adapter asks for it")]
    public static partial void StrayAdapter(ILogger logger, string adapter, string pod);

    [LoggerMessage(1103, LogLevel.Information, "Cancelling training session {Uid} on pod {Pod}: its job is gone")]
    public static partial void StraySession(ILogger logger, string uid, string pod);

    [LoggerMessage(1110, LogLevel.Information, "Adapter {Adapter} is loaded on pod {Pod} ({Digest})")]
    public static partial void AdapterLoaded(ILogger logger, NamespacedName adapter, string pod, string? digest);

    [LoggerMessage(1111, LogLevel.Warning, "{Key} is let go although these pods did not answer: {Pods}")]
    public static partial void FinalizerGaveUp(ILogger logger, NamespacedName key, string pods);

    [LoggerMessage(1120, LogLevel.Information, "Training session of {Job} sent to pod {Pod}")]
    public static partial void SessionSent(ILogger logger, NamespacedName job, string pod);

    [LoggerMessage(1121, LogLevel.Warning, "Training session of {Job} failed ({Failures} so far): {Reason}: {Message}")]
    public static partial void SessionFailed(ILogger logger, NamespacedName job, int failures, string reason, string message);

    [LoggerMessage(1122, LogLevel.Information, "{Job} is complete: Adapter {Adapter} ({Digest})")]
    public static partial void JobComplete(ILogger logger, NamespacedName job, string adapter, string? digest);

    [LoggerMessage(1123, LogLevel.Information, "{Job} ended and its time to live is over: deleting it")]
    public static partial void JobExpired(ILogger logger, NamespacedName job);
}
