using AiFabric.Engine.Adapters;
using AiFabric.Engine.Training;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Tests.Execution;

/// <summary>A training session without gradients: runs a sequence forward in windows, pretends to go backward, starts over.</summary>
internal sealed class ScriptedTraining(DecoderConfig config, int[] text, PeftAdapter? adapter, int rounds) : ITrainingExecutor
{
    private readonly int layers = config.Layers;
    private readonly int width = config.HiddenSize;
    private readonly int[] tokens = text;
    private readonly PeftAdapter? lora = adapter;
    private readonly List<Tensor> hidden = [];
    private readonly TaskCompletionSource finished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Window? open;
    private int forward;
    private int backward;
    private int round;

    public Exception? FailIn { get; init; }

    public Task Finished => finished.Task;

    public List<int> WindowSizes { get; } = [];

    public int LayerInputs { get; private set; }

    public TrainingDemand Demand => round >= rounds ? new TrainingDemand(TrainingPhase.Idle, 0)
        : forward < tokens.Length ? new TrainingDemand(TrainingPhase.Forward, tokens.Length - forward)
        : new TrainingDemand(TrainingPhase.Backward, tokens.Length - backward);

    public TrainingWindow BeginWindow(int maxTokens)
    {
        if (FailIn is not null)
            throw FailIn;
        int count = Math.Min(maxTokens, tokens.Length - forward);
        WindowSizes.Add(count);
        return open = new Window(this, open, forward, count);
    }

    public void EndWindow(TrainingWindow window, Tensor finalHidden)
    {
        hidden.Add(finalHidden.clone().DetachFromDisposeScope());
        forward += window.Count;
        LayerInputs += open!.Saved;
        if (forward < tokens.Length)
            return;
        open.DisposeAll();
        open = null;
    }

    public int RunBackward(BackwardSlice slice, Action? between = null)
    {
        if (slice.Steps == 0)
            return 0; // Only losses.
        int count = Math.Min(slice.Tokens, tokens.Length - backward);
        backward += count;
        if (backward < tokens.Length)
            return count;
        (forward, backward) = (0, 0);
        if (++round == rounds)
            finished.SetResult();
        else
            Clear();
        return count;
    }

    /// <summary>[tokens, hidden] of the last round.</summary>
    public Tensor Hidden() => cat(hidden, 0);

    public void Dispose()
    {
        Clear();
        open?.DisposeAll();
    }

    private void Clear()
    {
        foreach (var tensor in hidden)
            tensor.Dispose();
        hidden.Clear();
    }

    private sealed class Window(ScriptedTraining owner, Window? before, int start, int count) : TrainingWindow
    {
        private readonly (Tensor Keys, Tensor Values)[] soFar = before?.soFar ?? new (Tensor, Tensor)[owner.layers];

        public int Saved { get; private set; }

        public override int Start => start;

        public override int Count => count;

        public override IReadOnlyList<long> Tokens => [.. owner.tokens.AsSpan(start, count).ToArray().Select(t => (long)t)];

        public override PeftAdapter? Adapter => owner.lora;

        public override void SaveLayerInput(int layer, Tensor x)
        {
            Xunit.Assert.Equal([count, owner.width], x.shape);
            Saved++;
        }

        public override (Tensor Keys, Tensor Values) Append(int layer, Tensor k, Tensor v)
        {
            var (keys, values) = soFar[layer];
            soFar[layer] = keys is null
                ? (k.clone().DetachFromDisposeScope(), v.clone().DetachFromDisposeScope())
                : (cat([keys, k], 0).DetachFromDisposeScope(), cat([values, v], 0).DetachFromDisposeScope());
            keys?.Dispose();
            values?.Dispose();
            return (soFar[layer].Keys.alias(), soFar[layer].Values.alias());
        }

        public void DisposeAll()
        {
            foreach (var (keys, values) in soFar)
            {
                keys?.Dispose();
                values?.Dispose();
            }
        }
    }
}
