using Microsoft.Extensions.Logging;

namespace AiFabric.Kube;

/// <summary>Every log line of the controller runtime. Ids 1001 to 1099.</summary>
internal static partial class Log
{
    [LoggerMessage(1001, LogLevel.Error, "{Kind} {Name} cannot be read at {Path}: it is left out, or stays as it was last read")]
    public static partial void UnreadableObject(ILogger logger, Exception exception, string kind, string name, string path);

    [LoggerMessage(1010, LogLevel.Debug, "Listed {Count} {Plural} at resourceVersion {ResourceVersion}")]
    public static partial void Listed(ILogger logger, int count, string plural, string? resourceVersion);

    [LoggerMessage(1011, LogLevel.Information, "resourceVersion {ResourceVersion} of {Plural} is too old: listing anew")]
    public static partial void Expired(ILogger logger, string plural, string? resourceVersion);

    [LoggerMessage(1012, LogLevel.Warning, "Watching {Plural} failed ({Failures} in a row): again in {Delay}")]
    public static partial void WatchFailed(ILogger logger, Exception exception, string plural, int failures, TimeSpan delay);

    [LoggerMessage(1013, LogLevel.Warning, "The watch on {Plural} was silent for {Idle}: opening it anew")]
    public static partial void WatchIdle(ILogger logger, string plural, TimeSpan idle);

    [LoggerMessage(1014, LogLevel.Error, "A subscriber to {Plural} threw")]
    public static partial void SubscriberThrew(ILogger logger, Exception exception, string plural);

    [LoggerMessage(1015, LogLevel.Information, "The API server does not serve {Plural}: asking again every {Delay}")]
    public static partial void KindNotServed(ILogger logger, string plural, TimeSpan delay);

    [LoggerMessage(1020, LogLevel.Information, "Controller {Controller} started with {Workers} workers")]
    public static partial void ControllerStarted(ILogger logger, string controller, int workers);

    [LoggerMessage(1021, LogLevel.Error, "{Controller}: reconciling {Key} threw; try {Retries} follows")]
    public static partial void ReconcileThrew(ILogger logger, Exception exception, string controller, NamespacedName key, int retries);

    [LoggerMessage(1022, LogLevel.Warning, "{Controller}: reconciling {Key} failed: {Message}")]
    public static partial void ReconcileFailed(ILogger logger, Exception? exception, string controller, NamespacedName key, string? message);

    [LoggerMessage(1023, LogLevel.Debug, "{Controller}: {Key} was changed by someone else meanwhile; trying again")]
    public static partial void ReconcileConflict(ILogger logger, Exception exception, string controller, NamespacedName key);

    [LoggerMessage(1030, LogLevel.Information, "{Identity} leads {Lease}")]
    public static partial void LeadershipGained(ILogger logger, string identity, string lease);

    [LoggerMessage(1031, LogLevel.Error, "{Identity} lost {Lease}: stopping")]
    public static partial void LeadershipLost(ILogger logger, string identity, string lease);

    [LoggerMessage(1032, LogLevel.Warning, "The lease {Lease} could not be read or written")]
    public static partial void LeaseFailed(ILogger logger, Exception exception, string lease);

    [LoggerMessage(1033, LogLevel.Information, "{Lease} is held by {Holder}: standing by")]
    public static partial void LeaseHeld(ILogger logger, string lease, string holder);

    [LoggerMessage(1040, LogLevel.Warning, "Event {Reason} about {Key} could not be written")]
    public static partial void EventLost(ILogger logger, Exception exception, string reason, NamespacedName key);
}
