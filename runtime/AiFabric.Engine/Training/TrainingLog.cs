using Microsoft.Extensions.Logging;

namespace AiFabric.Engine;

/// <summary>The log text of training; its ids begin at 3000.</summary>
internal static partial class Log
{
    [LoggerMessage(3001, LogLevel.Information, "Training of {Adapter} begins at step {Step} of {TotalSteps}: {Samples} samples, {HeldOut} held out, {Skipped} skipped for having nothing to learn")]
    public static partial void TrainingBegins(ILogger log, string adapter, int step, int totalSteps, int samples, int heldOut, int skipped);

    [LoggerMessage(3002, LogLevel.Information, "Training of {Adapter} saved a checkpoint at step {Step}, loss {Loss}")]
    public static partial void CheckpointSaved(ILogger log, string adapter, int step, double? loss);

    [LoggerMessage(3003, LogLevel.Warning, "Checkpoint {Folder} is damaged and skipped: {Problem}")]
    public static partial void CheckpointDamaged(ILogger log, string folder, string problem);

    [LoggerMessage(3004, LogLevel.Information, "Training of {Adapter} is done: held-out loss {EvalLoss}, of the base {BaseEvalLoss}; adapter in {Folder}, {Digest}")]
    public static partial void TrainingDone(ILogger log, string adapter, double? evalLoss, double? baseEvalLoss, string folder, string digest);

    [LoggerMessage(3005, LogLevel.Error, "Training of {Adapter} failed at step {Step}: {Reason}: {Problem}")]
    public static partial void TrainingFailed(ILogger log, Exception? exception, string adapter, int step, string reason, string problem);

    [LoggerMessage(3006, LogLevel.Information, "Training of {Adapter} is {State} at step {Step}")]
    public static partial void TrainingChanged(ILogger log, string adapter, Training.TrainingState state, int step);
}
