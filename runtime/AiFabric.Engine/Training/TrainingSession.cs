using System.Diagnostics.CodeAnalysis;
using AiFabric.Engine.Interop;
using AiFabric.Engine.Models;
using AiFabric.Engine.Training.Checkpoints;
using AiFabric.Engine.Training.Data;
using AiFabric.Engine.Training.Planning;
using Microsoft.Extensions.Logging;
using static TorchSharp.torch;

namespace AiFabric.Engine.Training;

/// <summary>
/// One finetuning job. <see cref="Progress"/>, <see cref="Suspend"/>, <see cref="Resume"/> and <see cref="CancelAsync"/> may be called
/// from any thread; the members of <see cref="ITrainingExecutor"/> from the engine's thread alone. Data, checkpoints and the finished
/// adapter are read and written in the background; meanwhile it offers no work, so that no step outruns its checkpoint.
/// </summary>
public sealed class TrainingSession : ITrainingExecutor
{
    private readonly TrainingRecipe recipe;
    private readonly ILogger log;
    private readonly TrainingStorage storage;
    private readonly BackgroundWork background = new();
    private readonly TokenRate rate;
    private readonly TaskCompletionSource cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TrainingRun? run;
    private volatile TrainingProgress snapshot = new();
    private volatile bool suspendRequested;
    private volatile bool retryRequested;
    private volatile bool cancelRequested;
    private bool disposed;

    internal TrainingSession(
        TrainingRecipe recipe, BaseWeights weights, SampleEncoder encoder, TimeProvider time, ILogger log, bool suspended, WriteTensors? write,
        TrainingMemory? activations = null, IDisposable? data = null)
    {
        TorchRuntime.EnsureLoaded();
        (this.recipe, this.log, suspendRequested) = (recipe, log, suspended);
        rate = new TokenRate(time);
        storage = new TrainingStorage(recipe, new CheckpointStore(recipe.CheckpointFolder, recipe.CheckpointRetain, log, write));
        background.Arrived += () => WorkAvailable?.Invoke();
        background.Start(storage.Prepare(weights, encoder, activations ?? TrainingMemory.Unbounded, data));
    }

    /// <summary>Starts a job, or goes on with it from its newest checkpoint. Returns at once; data are read in the background.</summary>
    /// <param name="recipe">The job.</param>
    /// <param name="weights">The base model, which must outlive the job. Not owned.</param>
    /// <param name="encoder">Tokenizes the data.</param>
    /// <param name="time">Clock of the rates.</param>
    /// <param name="log">Hears of milestones and failures.</param>
    /// <param name="suspended">Whether it waits for <see cref="Resume"/>.</param>
    /// <param name="memory">Where its activations are taken from; null for no bound.</param>
    /// <param name="data">What keeps the data where the recipe says; disposed once they are read. Null when nothing has to.</param>
    public static TrainingSession Start(
        TrainingRecipe recipe, BaseWeights weights, SampleEncoder encoder, TimeProvider time, ILogger log, bool suspended = false, TrainingMemory? memory = null, IDisposable? data = null) =>
        new(recipe, weights, encoder, time, log, suspended, write: null, memory, data);

    /// <inheritdoc/>
    public event Action? WorkAvailable;

    /// <summary>Where the job stands now.</summary>
    public TrainingProgress Progress
    {
        get
        {
            TrainingProgress now = snapshot;
            if (now.State != TrainingState.Running)
                return now;
            double perSecond = rate.PerSecond;
            double tokensLeft = now.Step > 0 ? (double)now.Tokens / now.Step * (now.TotalSteps - now.Step) : 0;
            TimeSpan? remaining = perSecond > 0 && now.Step > 0 ? TimeSpan.FromSeconds(tokensLeft / perSecond) : null;
            return now with { TokensPerSecond = perSecond, EstimatedRemaining = remaining };
        }
    }

    /// <summary>Stops after the running step, with a checkpoint. Harmless when it has stopped or ended.</summary>
    public void Suspend()
    {
        suspendRequested = true;
        WorkAvailable?.Invoke();
    }

    /// <summary>Goes on after <see cref="Suspend"/>, or tries again what failed for want of storage: the steps done are still in memory.</summary>
    public void Resume()
    {
        suspendRequested = false;
        retryRequested = true;
        WorkAvailable?.Invoke();
    }

    /// <summary>Ends the job and frees its memory. Checkpoints stay. Completes when the engine's thread has let go of it.</summary>
    public Task CancelAsync()
    {
        cancelRequested = true;
        background.Cancel();
        WorkAvailable?.Invoke();
        return cancelled.Task;
    }

    /// <inheritdoc/>
    public TrainingDemand Demand => disposed ? default : Guard(Poll);

    /// <inheritdoc/>
    public TrainingWindow BeginWindow(int maxTokens) => Active.BeginWindow(maxTokens);

    /// <inheritdoc/>
    public void EndWindow(TrainingWindow window, Tensor finalHidden) => _ = Guard(() =>
    {
        run?.EndWindow(window, finalHidden);
        Publish(snapshot.State);
        return default;
    });

    /// <inheritdoc/>
    public int RunBackward(BackwardSlice slice, Action? between = null)
    {
        if (run is not { } active)
            return 0; // Cancelled since the iteration was planned.
        int done = 0;
        _ = Guard(() =>
        {
            done = active.RunBackward(slice, between);
            rate.Add(done);
            Publish(snapshot.State);
            return default;
        });
        return done;
    }

    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        background.Dispose();
        Release();
        cancelled.TrySetResult();
    }

    internal TrainingRun? Run => run;

    /// <summary>Takes in what the background did, starts what is due there, and says what is left for this thread.</summary>
    private TrainingDemand Poll()
    {
        if (background.Take() is { } outcome)
            Accept(outcome);
        if (background.Busy)
            return default;
        if (cancelRequested)
            return Cancel();
        if (run is null)
            return End();
        if (snapshot.State == TrainingState.Failed && !RetryStorage())
            return default;
        if (run.Cursor.Activity == TrainingActivity.Checkpoint)
            return Start(storage.Save(run));
        if (run.Cursor.Activity == TrainingActivity.Finished)
            return Start(storage.Export(run));
        if (suspendRequested && (run.Cursor.AtStepBoundary || run.Cursor.Evaluating))
            return Pause();
        if (snapshot.State != TrainingState.Running)
            Enter(TrainingState.Running);
        return run.Demand;
    }

    private void Accept(Outcome outcome)
    {
        switch (outcome)
        {
            case Outcome.Prepared prepared:
                run = prepared.Run;
                snapshot = snapshot with { TotalSteps = run.Plan.TotalSteps, CheckpointStep = run.Cursor.Step };
                Publish(TrainingState.Starting);
                Log.TrainingBegins(log, recipe.AdapterName, run.Cursor.Step, run.Plan.TotalSteps, prepared.Samples, prepared.HeldOut, prepared.Skipped);
                break;
            case Outcome.CheckpointSaved saved:
                snapshot = snapshot with { CheckpointStep = saved.Step };
                run?.Cursor.CheckpointSaved();
                Log.CheckpointSaved(log, recipe.AdapterName, saved.Step, run?.Loss);
                break;
            case Outcome.Exported exported:
                Log.TrainingDone(log, recipe.AdapterName, run?.EvalLoss, run?.BaseEvalLoss, recipe.OutputFolder, exported.Digest);
                snapshot = snapshot with { State = TrainingState.Succeeded, AdapterFolder = recipe.OutputFolder, AdapterDigest = exported.Digest };
                Release();
                break;
            case Outcome.Broken broken:
                Fail(broken.Error, broken.Exception);
                break;
        }
    }

    private TrainingDemand Start(Func<CancellationToken, Outcome> work)
    {
        background.Start(work);
        return default;
    }

    private TrainingDemand Pause()
    {
        if (Active.Cursor.AtStepBoundary && Active.Cursor.Step > snapshot.CheckpointStep)
        {
            Active.Cursor.RequestCheckpoint();
            return Start(storage.Save(Active));
        }

        if (snapshot.State != TrainingState.Suspended)
            Enter(TrainingState.Suspended);
        return default;
    }

    private TrainingDemand Cancel()
    {
        if (snapshot.State is not (TrainingState.Succeeded or TrainingState.Cancelled))
            Enter(TrainingState.Cancelled);
        Release();
        return End();
    }

    /// <summary>Once told, the engine asks no more: who cancels later need not wait.</summary>
    private TrainingDemand End()
    {
        cancelled.TrySetResult();
        return new TrainingDemand(TrainingPhase.Over, 0);
    }

    private bool RetryStorage()
    {
        if (!retryRequested)
            return false;
        snapshot = snapshot with { Error = null };
        Enter(TrainingState.Running);
        return true;
    }

    private TrainingRun Active => run ?? throw new InvalidOperationException("The job has no work.");

    [SuppressMessage("Design", "CA1031", Justification = "A failure ends the job, logged, and not the engine that serves others.")]
    private TrainingDemand Guard(Func<TrainingDemand> action)
    {
        try
        {
            return action();
        }
        catch (TrainingException e)
        {
            Fail(e.Error, e.InnerException);
        }
        catch (Exception e)
        {
            Fail(TrainingException.Internal(e), e);
        }

        return default;
    }

    private void Fail(TrainingError error, Exception? exception)
    {
        if (cancelRequested)
            return;
        Log.TrainingFailed(log, exception, recipe.AdapterName, run?.Cursor.Step ?? 0, error.Reason, error.Message);
        retryRequested = false;
        Publish(TrainingState.Failed, error);
        if (error.Reason is not (TrainingErrorReasons.StorageFull or TrainingErrorReasons.StorageUnavailable))
            Release();
    }

    private void Enter(TrainingState state)
    {
        if (state == TrainingState.Running)
            rate.Restart();
        Publish(state);
        Log.TrainingChanged(log, recipe.AdapterName, state, snapshot.Step);
    }

    private void Publish(TrainingState state, TrainingError? error = null)
    {
        if (run is null)
        {
            snapshot = snapshot with { State = state, Error = error ?? snapshot.Error };
            return;
        }

        snapshot = snapshot with
        {
            State = state,
            Error = error ?? snapshot.Error,
            Step = run.Cursor.Step,
            Tokens = run.Tokens,
            Loss = run.Loss,
            EvalLoss = run.EvalLoss,
            BaseEvalLoss = run.BaseEvalLoss,
        };
    }

    private void Release()
    {
        run?.Dispose();
        run = null;
    }
}
