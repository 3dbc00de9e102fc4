using System.Net;

namespace AiFabric.LocalCluster;

// The log text of the controllers (31xx) and the node (32xx).
internal static partial class Log
{
    [LoggerMessage(3101, LogLevel.Warning, "Watch of {Plural} failed; listing again")]
    public static partial void WatchFailed(ILogger logger, string plural, Exception failure);

    [LoggerMessage(3102, LogLevel.Warning, "{Controller} could not reconcile {Namespace}/{Name}; will retry")]
    public static partial void ReconcileFailed(ILogger logger, string controller, string @namespace, string name, Exception failure);

    [LoggerMessage(3103, LogLevel.Information, "Event {Reason} about {Name} was not written")]
    public static partial void EventLost(ILogger logger, string reason, string name, Exception failure);

    [LoggerMessage(3104, LogLevel.Debug, "Relay at {Address} failed")]
    public static partial void RelayFailed(ILogger logger, IPEndPoint address, Exception failure);

    [LoggerMessage(3105, LogLevel.Warning, "Cannot listen on {Address} for a service; will retry")]
    public static partial void CannotListen(ILogger logger, IPEndPoint address, Exception failure);

    [LoggerMessage(3106, LogLevel.Debug, "Deleted {Plural} {Namespace}/{Name}: all its owners are gone")]
    public static partial void Collected(ILogger logger, string plural, string @namespace, string name);

    [LoggerMessage(3201, LogLevel.Information, "Started container {Container} of {Namespace}/{Pod} as process {Process}")]
    public static partial void ContainerStarted(ILogger logger, string @namespace, string pod, string container, int process);

    [LoggerMessage(3202, LogLevel.Information, "Container {Container} of {Namespace}/{Pod} ended with exit code {ExitCode}")]
    public static partial void ContainerEnded(ILogger logger, string @namespace, string pod, string container, int exitCode);

    [LoggerMessage(3203, LogLevel.Warning, "Pod {Namespace}/{Name} could not be synchronised; will retry")]
    public static partial void PodFailed(ILogger logger, string @namespace, string name, Exception failure);

    [LoggerMessage(3204, LogLevel.Warning, "Node heartbeat failed; will retry")]
    public static partial void HeartbeatFailed(ILogger logger, Exception failure);

    [LoggerMessage(3205, LogLevel.Information, "Adopted pod {Namespace}/{Name} from an earlier run")]
    public static partial void PodAdopted(ILogger logger, string @namespace, string name);

    [LoggerMessage(3206, LogLevel.Warning, "Pod folder {Folder} is unreadable and was set aside")]
    public static partial void FolderUnreadable(ILogger logger, string folder, Exception failure);

    [LoggerMessage(3207, LogLevel.Information, "Volumes: {Mode}")]
    public static partial void MountMode(ILogger logger, string mode);
}
