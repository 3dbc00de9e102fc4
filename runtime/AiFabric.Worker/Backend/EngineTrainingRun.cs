using AiFabric.Engine;
using AiFabric.Engine.Training;

namespace AiFabric.Worker.Backend;

/// <summary>A session that takes part in the engine's iterations.</summary>
internal sealed class EngineTrainingRun : ITrainingRun
{
    private readonly LlmEngine engine;
    private readonly TrainingSession session;
    private volatile TrainingError? fault;

    public EngineTrainingRun(LlmEngine engine, TrainingSession session)
    {
        (this.engine, this.session) = (engine, session);
        engine.AttachTraining(session, e => fault = new TrainingError(TrainingErrorReasons.InternalError, $"An iteration with this job failed: {e.Message}", Retryable: true));
    }

    public TrainingProgress Progress => fault is { } error
        ? session.Progress with { State = TrainingState.Failed, Error = error }
        : session.Progress;

    public void Suspend() => session.Suspend();

    public void Resume() => session.Resume();

    public async Task StopAsync()
    {
        // Once detached nothing else touches it, and it can be freed from here.
        await engine.DetachTrainingAsync(session);
        session.Dispose();
    }
}
