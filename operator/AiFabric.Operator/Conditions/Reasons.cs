namespace AiFabric.Operator.Conditions;

/// <summary>Reasons of conditions. A worker's own reasons (InvalidDataset, ...) are passed on beside them.</summary>
internal static class Reasons
{
    public const string InvalidSpec = "InvalidSpec";
    public const string NameTaken = "NameTaken";
    public const string ObjectRefused = "ObjectRefused";
    public const string ScaledToZero = "ScaledToZero";
    public const string DemandWithinTarget = "DemandWithinTarget";
    public const string LimitedByMax = "LimitedByMax";
    public const string LimitedByRate = "LimitedByRate";
    public const string NeededByFinetuneJob = "NeededByFinetuneJob";
    public const string SuccessfulRescale = "SuccessfulRescale";
    public const string NoPods = "NoPods";
    public const string PodsRefused = "PodsRefused";
    public const string ModelLoadFailed = "ModelLoadFailed";
    public const string CrashLoopBackOff = "CrashLoopBackOff";
    public const string ImagePullBackOff = "ImagePullBackOff";
    public const string Unschedulable = "Unschedulable";
    public const string OutOfMemory = "OOMKilled";
    public const string Loading = "Loading";
    public const string Downloading = "Downloading";
    public const string DownloadFailed = "DownloadFailed";
    public const string Loaded = "Loaded";
    public const string RollingOut = "RollingOut";
    public const string AllReplicasReady = "AllReplicasReady";
    public const string NoGateway = "NoGateway";
    public const string GatewayUnreachable = "GatewayUnreachable";
    public const string NotRouted = "NotRouted";
    public const string Routed = "Routed";
    public const string Serving = "Serving";
    public const string Training = "Training";
    public const string NoTraining = "NoTraining";
    public const string ObjectiveMet = "ObjectiveMet";
    public const string ObjectiveMissed = "ObjectiveMissed";
    public const string NoDisruptionBudget = "NoDisruptionBudget";
    public const string NoTraffic = "NoTraffic";

    public const string ModelNotFound = "ModelNotFound";
    public const string ModelNotReady = "ModelNotReady";
    public const string AdapterNotFound = "AdapterNotFound";
    public const string CircularRouting = "CircularRouting";
    public const string JobNotFound = "JobNotFound";
    public const string JobNotComplete = "JobNotComplete";
    public const string JobFailed = "JobFailed";
    public const string TooManyAdapters = "TooManyAdapters";
    public const string InvalidAdapter = "InvalidAdapter";
    public const string WorkerUnreachable = "WorkerUnreachable";
    public const string VolumeNotMounted = "VolumeNotMounted";
    public const string NoFailure = "NoFailure";

    public const string Accepted = "Accepted";
    public const string AdapterNameTaken = "AdapterNameTaken";
    public const string FinetuningForbidden = "FinetuningForbidden";
    public const string RankTooLarge = "RankTooLarge";
    public const string NoReadyReplica = "NoReadyReplica";
    public const string Starting = "Starting";
    public const string Suspending = "Suspending";
    public const string Suspended = "Suspended";
    public const string NotSuspended = "NotSuspended";
    public const string Restarting = "Restarting";
    public const string Rejected = "Rejected";
    public const string BackOff = "BackOff";
    public const string InsufficientMemory = "InsufficientMemory"; // a worker's word
    public const string InProgress = "InProgress";
    public const string AdapterPending = "AdapterPending";
    public const string AdapterCreated = "AdapterCreated";
    public const string BackoffLimitExceeded = "BackoffLimitExceeded";
    public const string DeadlineExceeded = "DeadlineExceeded";
    public const string Finished = "Finished";

    public const string StageNotReady = "StageNotReady";

    private static readonly HashSet<string> Warnings =
    [
        InvalidSpec, NameTaken, ObjectRefused, PodsRefused, ModelLoadFailed, DownloadFailed, CrashLoopBackOff, ImagePullBackOff, Unschedulable, OutOfMemory, NoGateway, GatewayUnreachable,
        ObjectiveMissed, JobFailed, TooManyAdapters, InvalidAdapter, WorkerUnreachable, VolumeNotMounted, Rejected, AdapterNameTaken,
        FinetuningForbidden, RankTooLarge, BackOff, BackoffLimitExceeded, DeadlineExceeded, CircularRouting,
    ];

    /// <summary>Whether somebody should look into it.</summary>
    public static bool IsWarning(string reason) => Warnings.Contains(reason);
}
