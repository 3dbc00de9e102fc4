using AiFabric.Engine.Execution;
using AiFabric.Engine.Training;
using Xunit;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

public sealed class TrainingRotationTests
{
    [Fact]
    public void A_job_that_is_over_leaves_and_the_others_are_asked_in_their_order()
    {
        var rotation = new TrainingRotation(() => { });
        using var over = new AskedJob(TrainingPhase.Over);
        using var idle = new AskedJob(TrainingPhase.Idle);
        using var busy = new AskedJob(TrainingPhase.Forward);
        foreach (AskedJob job in (AskedJob[])[over, idle, busy])
            rotation.Attach(job, faulted: null, weight: 1);
        for (int i = 0; i < 3; i++)
            Assert.Same(busy, rotation.Next(out _));
        Assert.Equal((1, 3, 3), (over.Asked, idle.Asked, busy.Asked));
        Assert.False(rotation.Detach(over));
        Assert.True(rotation.Detach(idle));
    }

    /// <summary>Counts how often it is asked.</summary>
    private sealed class AskedJob(TrainingPhase phase) : ITrainingExecutor
    {
        public int Asked { get; private set; }

        public TrainingDemand Demand
        {
            get
            {
                Asked++;
                return new TrainingDemand(phase, 8);
            }
        }

        public TrainingWindow BeginWindow(int maxTokens) => throw new NotSupportedException();

        public void EndWindow(TrainingWindow window, Tensor finalHidden) => throw new NotSupportedException();

        public int RunBackward(BackwardSlice slice, Action? between = null) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }
}
