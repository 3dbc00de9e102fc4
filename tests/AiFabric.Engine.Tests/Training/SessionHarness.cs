using AiFabric.Engine.Models;
using AiFabric.Engine.Training;
using AiFabric.Engine.Training.Checkpoints;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Training;

/// <summary>Drives a session as the engine's loop does, with nothing to infer beside it.</summary>
internal sealed class SessionHarness : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private readonly WindowForward forward;
    private readonly SemaphoreSlim wake = new(0);

    public SessionHarness(
        TrainingRecipe recipe, DecoderWeights weights, bool suspended = false, ILogger? log = null, WriteTensors? write = null, TrainingMemory? memory = null)
    {
        forward = new WindowForward(weights);
        Session = new TrainingSession(recipe, weights, Recipes.Encoder, TimeProvider.System, log ?? NullLogger.Instance, suspended, write, memory);
        Session.WorkAvailable += () => wake.Release();
    }

    public TrainingSession Session { get; }

    public TrainingProgress Progress => Session.Progress;

    /// <summary>Iterates until the condition holds or the job waits for somebody else.</summary>
    public TrainingProgress RunUntil(Func<TrainingProgress, bool> done, int forwardTokens = 8, int backwardTokens = 16, int backwardSteps = int.MaxValue)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (true)
        {
            TrainingDemand demand = Session.Demand;
            if (done(Session.Progress))
                return Session.Progress;
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Deadline, $"Not there in time: {Session.Progress}");
            switch (demand.Phase)
            {
                case TrainingPhase.Forward:
                    TrainingWindow window = Session.BeginWindow(forwardTokens);
                    using (Tensor hidden = forward.Run(window))
                        Session.EndWindow(window, hidden);
                    break;
                case TrainingPhase.Backward:
                    Session.RunBackward(new BackwardSlice(backwardTokens, backwardTokens, backwardSteps));
                    break;
                default:
                    wake.Wait(TimeSpan.FromMilliseconds(100));
                    break;
            }
        }
    }

    public TrainingProgress RunToEnd() =>
        RunUntil(progress => progress.State is TrainingState.Succeeded or TrainingState.Failed or TrainingState.Cancelled);

    public void Dispose()
    {
        Session.Dispose();
        forward.Dispose();
        wake.Dispose();
    }
}
