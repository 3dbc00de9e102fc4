namespace AiFabric.Gateway;

/// <summary>All log text of the gateway.</summary>
internal static partial class Log
{
    [LoggerMessage(3001, LogLevel.Warning, "Worker {Pod} did not answer in time; its route stays")]
    public static partial void WorkerSlow(ILogger log, string pod);

    [LoggerMessage(3002, LogLevel.Warning, "Worker {Pod} could not be asked for its models; no route to it")]
    public static partial void WorkerUnreachable(ILogger log, string pod, Exception cause);

    [LoggerMessage(3007, LogLevel.Warning, "Worker {Pod} does not tell its load; what it said before counts no more")]
    public static partial void LoadUnknown(ILogger log, string pod, Exception cause);

    [LoggerMessage(3008, LogLevel.Error, "A limit cannot be read and counts as absent: {Problem}")]
    public static partial void LimitUnreadable(ILogger log, string problem);

    [LoggerMessage(3003, LogLevel.Warning, "Worker {Pod} failed before the first byte ({Error}), attempt {Attempt}")]
    public static partial void AttemptFailed(ILogger log, string pod, string error, int attempt, Exception? cause);

    [LoggerMessage(3004, LogLevel.Error, "Worker {Pod} was lost in the middle of a stream")]
    public static partial void StreamLost(ILogger log, string pod, Exception? cause);

    [LoggerMessage(3005, LogLevel.Error, "Request failed inside the gateway")]
    public static partial void Unhandled(ILogger log, Exception cause);

    [LoggerMessage(3010, LogLevel.Information, "Draining: not ready from now on; requests are still taken for {Seconds} s")]
    public static partial void Draining(ILogger log, int seconds);

    [LoggerMessage(3011, LogLevel.Warning, "Requests that still run {Seconds} s after the drain are ended with an error")]
    public static partial void CutOff(ILogger log, int seconds);

    [LoggerMessage(3020, LogLevel.Error, "Finetuning job {Id} could not be kept up; it is tried again")]
    public static partial void OrderNotKept(ILogger log, string id, Exception cause);

    [LoggerMessage(3025, LogLevel.Error, "Finetuning jobs could not be read; it is tried again")]
    public static partial void OrdersNotRead(ILogger log, Exception cause);

    [LoggerMessage(3021, LogLevel.Error, "The folder of files cannot be written to")]
    public static partial void FilesUnwritable(ILogger log, Exception cause);

    [LoggerMessage(3006, LogLevel.Error, "The routing table could not be renewed; the last one stays")]
    public static partial void RefreshFailed(ILogger log, Exception cause);

    [LoggerMessage(3022, LogLevel.Warning, "Pipeline {Pipeline}: stage {Stage} failed in attempt {Attempt} and is asked of another replica")]
    public static partial void StageRetried(ILogger log, string pipeline, string stage, int attempt, Exception cause);

    [LoggerMessage(3023, LogLevel.Error, "Pipeline {Pipeline}: stage {Stage} broke inside the gateway")]
    public static partial void StageBroke(ILogger log, string pipeline, string stage, Exception cause);

    [LoggerMessage(3024, LogLevel.Warning, "A copy of a request to the mirror {Target} got no whole answer")]
    public static partial void MirrorLost(ILogger log, string target, Exception cause);

    [LoggerMessage(3030, LogLevel.Information, "Run {Id} is taken, attempt {Attempt}")]
    public static partial void RunClaimed(ILogger log, string id, int attempt);

    [LoggerMessage(3031, LogLevel.Information, "Run {Id} has ended: {Status} in attempt {Attempt}")]
    public static partial void RunEnded(ILogger log, string id, AsyncRuns.RunStatus status, int attempt);

    [LoggerMessage(3032, LogLevel.Warning, "What happened in run {Id} could not be kept; it is tried again")]
    public static partial void RunNotKept(ILogger log, string id, Exception cause);

    [LoggerMessage(3033, LogLevel.Warning, "Events of run {Id} after the first {Told} could not be published; they are tried again")]
    public static partial void RunNotTold(ILogger log, string id, int told, Exception cause);

    [LoggerMessage(3034, LogLevel.Error, "Run {Id} broke inside the gateway")]
    public static partial void RunBroke(ILogger log, string id, Exception cause);

    [LoggerMessage(3035, LogLevel.Warning, "The store of runs failed")]
    public static partial void RunsNotKept(ILogger log, Exception cause);
}
