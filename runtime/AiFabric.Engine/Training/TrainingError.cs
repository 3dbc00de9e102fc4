namespace AiFabric.Engine.Training;

/// <summary>Why a session failed.</summary>
/// <param name="Reason">CamelCase, one of <see cref="TrainingErrorReasons"/>.</param>
/// <param name="Message">What is wrong, where, and what to do about it.</param>
/// <param name="Retryable">Whether a retry may help. Bad input is not retried.</param>
public sealed record TrainingError(string Reason, string Message, bool Retryable);

/// <summary>Reasons of a <see cref="TrainingError"/>, fit for a condition.</summary>
public static class TrainingErrorReasons
{
    public const string InvalidDataset = nameof(InvalidDataset);
    public const string InvalidHyperparameters = nameof(InvalidHyperparameters);
    public const string CheckpointUnreadable = nameof(CheckpointUnreadable);
    public const string StorageFull = nameof(StorageFull);
    public const string StorageUnavailable = nameof(StorageUnavailable);
    public const string LossNotFinite = nameof(LossNotFinite);
    public const string InsufficientMemory = nameof(InsufficientMemory);
    public const string InternalError = nameof(InternalError);
}

/// <summary>A session cannot go on; carries the <see cref="TrainingError"/> that its progress will show.</summary>
public sealed class TrainingException : Exception
{
    public TrainingException(string reason, string message, bool retryable = false, Exception? innerException = null)
        : base(message, innerException) =>
        Error = new TrainingError(reason, message, retryable);

    public TrainingError Error { get; }

    /// <summary>The error of an exception that nobody expected.</summary>
    public static TrainingError Internal(Exception cause) => new(TrainingErrorReasons.InternalError, $"{cause.GetType().Name}: {cause.Message}", true);

    /// <summary>Tells a full disk (ENOSPC, EDQUOT) from other failures of storage; both may be retried.</summary>
    public static TrainingException FromStorage(string path, Exception cause) => cause.HResult is 28 or 122
        ? new TrainingException(TrainingErrorReasons.StorageFull, $"{path}: the disk or quota is full: {cause.Message}", true, cause)
        : new TrainingException(TrainingErrorReasons.StorageUnavailable, $"{path}: {cause.Message}", true, cause);
}
