using AiFabric.Kube;
using AiFabric.Operator.Webhooks.Certificates;

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

    [LoggerMessage(1103, LogLevel.Information, "Cancelling training session {Uid} on pod {Pod}: its job is gone or has ended")]
    public static partial void StraySession(ILogger logger, string uid, string pod);

    [LoggerMessage(1104, LogLevel.Information, "Pod {Pod} routable: {Status} ({Message})")]
    public static partial void GateWritten(ILogger logger, string pod, string status, string message);

    [LoggerMessage(1105, LogLevel.Warning, "The demand could not be looked at; models keep their replicas")]
    public static partial void DemandUnknown(ILogger logger, Exception cause);

    [LoggerMessage(1106, LogLevel.Information, "Scaling model {Model} from {Before} to {Replicas} replicas: {Cause}")]
    public static partial void Rescaled(ILogger logger, NamespacedName model, int before, int replicas, string cause);

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

    [LoggerMessage(1125, LogLevel.Information, "FinetuneJob {Job} of model {Model} applied as a client of the gateway asked (suspend: {Suspend})")]
    public static partial void OrderTaken(ILogger logger, NamespacedName job, string model, bool suspend);

    [LoggerMessage(1126, LogLevel.Information, "FinetuneJob {Job} deleted: its client cancelled it")]
    public static partial void OrderCancelled(ILogger logger, NamespacedName job);

    [LoggerMessage(1127, LogLevel.Warning, "The API server did not take FinetuneJob {Job}, which a client of the gateway asked for")]
    public static partial void OrderRefused(ILogger logger, NamespacedName job, Exception exception);

    [LoggerMessage(1128, LogLevel.Error, "The gateways' finetuning orders could not be taken; trying again")]
    public static partial void OrdersNotTaken(ILogger logger, Exception exception);

    [LoggerMessage(1140, LogLevel.Information, "Applied the Deployment {Deployment} of a function of pipeline {Pipeline}")]
    public static partial void FunctionApplied(ILogger logger, NamespacedName pipeline, string deployment);

    [LoggerMessage(1141, LogLevel.Information, "Deleting Deployment {Deployment}: pipeline {Pipeline} has no such stage any more")]
    public static partial void StrayFunction(ILogger logger, NamespacedName pipeline, string deployment);

    [LoggerMessage(1124, LogLevel.Error, "The gateways' routes could not be compared")]
    public static partial void RoutesNotRead(ILogger logger, Exception exception);

    [LoggerMessage(1130, LogLevel.Information, "{Step} done for the webhooks' certificates in Secret {Secret}: the serving one holds until {Until}")]
    public static partial void CertificatesChanged(ILogger logger, CertificateStep step, string secret, DateTimeOffset until);

    [LoggerMessage(1131, LogLevel.Information, "The webhooks serve a certificate that holds until {Until}")]
    public static partial void CertificateServed(ILogger logger, DateTimeOffset until);

    [LoggerMessage(1132, LogLevel.Warning, "Secret {Secret} is of no use for the webhooks and is made anew: {Problem}")]
    public static partial void CertificatesBroken(ILogger logger, string secret, string problem);

    [LoggerMessage(1133, LogLevel.Error, "The webhooks' certificates in Secret {Secret} could not be kept; trying again")]
    public static partial void CertificatesFailed(ILogger logger, Exception exception, string secret);

    [LoggerMessage(1134, LogLevel.Information, "Refused {Operation} of {Resource} {Key}: {Message}")]
    public static partial void ReviewRefused(ILogger logger, string? operation, string resource, NamespacedName key, string message);
}
