using AiFabric.Engine.Training;
using AiFabric.Protocol.Control;
using AiFabric.Worker.Storage;
using EngineState = AiFabric.Engine.Training.TrainingState;
using WireState = AiFabric.Protocol.Control.TrainingState;

namespace AiFabric.Worker.Control;

/// <summary>Spells a session's progress as the control API does.</summary>
internal static class StatusWriter
{
    public static TrainingStatus Of(string uid, TrainingProgress progress) => new()
    {
        Uid = uid,
        State = progress.State switch
        {
            EngineState.Starting => WireState.Starting,
            EngineState.Running => WireState.Running,
            EngineState.Suspended => WireState.Suspended,
            EngineState.Succeeded => WireState.Succeeded,
            _ => WireState.Failed,
        },
        Step = progress.Step,
        TotalSteps = progress.TotalSteps,
        Tokens = progress.Tokens,
        Loss = Finite(progress.Loss),
        EvalLoss = Finite(progress.EvalLoss),
        BaseEvalLoss = Finite(progress.BaseEvalLoss),
        TokensPerSecond = progress.TokensPerSecond,
        EstimatedRemainingSeconds = progress.EstimatedRemaining?.TotalSeconds,
        CheckpointStep = progress.CheckpointStep,
        AdapterUri = progress.AdapterFolder is { } folder ? StorageUri.FromPath(folder) : null,
        AdapterDigest = progress.AdapterDigest,
        Error = progress.Error is { } error
            ? new Protocol.Control.TrainingError { Reason = error.Reason, Message = error.Message, Retryable = error.Retryable }
            : null,
    };

    // JSON has no NaN; a loss that is none is told by the error.
    private static double? Finite(double? loss) => loss is { } value && double.IsFinite(value) ? value : null;
}
