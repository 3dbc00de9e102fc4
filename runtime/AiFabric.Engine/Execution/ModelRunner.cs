using AiFabric.Engine.Adapters;
using AiFabric.Engine.Models;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>Carries a batch out: one forward pass, sampling, then perhaps one slice of backward. For the engine's thread only.</summary>
internal sealed class ModelRunner : IDisposable
{
    private readonly LlamaWeights weights;
    private readonly RotaryTable rotary;
    private readonly KvTensors cache;
    private readonly ForwardPass pass;
    private readonly Sampler sampler;
    private readonly Func<long, LoraAdapter> adapterOf;
    private readonly TimeProvider time;
    private readonly BatchOutcome outcome = new();

    /// <param name="weights">The model; not owned.</param>
    /// <param name="blocks">Blocks of the cache.</param>
    /// <param name="blockSize">Tokens of a block.</param>
    /// <param name="adapterOf">The adapter of a load number other than 0.</param>
    /// <param name="time">Clock.</param>
    public ModelRunner(LlamaWeights weights, int blocks, int blockSize, Func<long, LoraAdapter> adapterOf, TimeProvider time)
    {
        (this.weights, this.adapterOf, this.time) = (weights, adapterOf, time);
        rotary = new RotaryTable(weights.Config, weights.Type, weights.Device);
        cache = new KvTensors(weights.Config, blocks, blockSize, weights.Type, weights.Device);
        pass = new ForwardPass(weights, cache);
        sampler = new Sampler(weights.Config.VocabularySize);
    }

    /// <summary>Runs one iteration. Nothing of it counts before the scheduler commits it, so that a failed one can be run again.</summary>
    /// <param name="batch">The plan.</param>
    /// <param name="training">Who trains in this iteration; null when the batch holds no finetuning tokens.</param>
    /// <returns>What was computed, valid until the next call.</returns>
    public BatchOutcome Run(Batch batch, ITrainingExecutor? training)
    {
        outcome.Clear();
        using var scope = NewDisposeScope();
        long start = time.GetTimestamp();
        var window = batch.TrainingForwardTokens > 0 ? training?.BeginWindow(batch.TrainingForwardTokens) : null;
        if (batch.HasInference || window is not null)
        {
            var hidden = Forward(batch, window);
            if (window is not null && training is not null)
            {
                outcome.TrainingForwardTokens = window.Count;
                training.EndWindow(window, hidden.narrow(0, hidden.shape[0] - window.Count, window.Count));
            }
        }
        outcome.ForwardTime = time.GetElapsedTime(start);
        if (batch.TrainingBackwardTokens > 0 && training is not null)
            Backward(batch.TrainingBackwardTokens, training);
        return outcome;
    }

    public void Dispose()
    {
        rotary.Dispose();
        cache.Dispose();
    }

    private Tensor Forward(Batch batch, TrainingWindow? window)
    {
        using var scope = NewDisposeScope();
        // Not inference_mode: what a training window keeps of this pass takes part in gradients later.
        using var _ = no_grad();
        var packed = new PackedBatch(batch, window, adapterOf, weights, rotary);
        var hidden = pass.Run(packed);
        if (packed.Samples is { } rows)
            Sample(batch, HostTensors.Floats(pass.Logits(hidden, rows)));
        return hidden.MoveToOuterDisposeScope();
    }

    private void Sample(Batch batch, Span<float> logits)
    {
        int row = 0;
        SampleRows(batch.DecodeRows, logits, ref row);
        SampleRows(batch.PromptChunks, logits, ref row);
    }

    private void SampleRows(List<BatchRows> rows, Span<float> logits, ref int row)
    {
        int vocabulary = weights.Config.VocabularySize;
        foreach (var candidate in rows)
        {
            if (candidate.Samples)
                outcome.Sampled.Add(sampler.Sample(logits.Slice(row++ * vocabulary, vocabulary), candidate.Sequence));
        }
    }

    private void Backward(int tokens, ITrainingExecutor training)
    {
        long start = time.GetTimestamp();
        training.BackwardSlice(tokens);
        outcome.BackwardTime = time.GetElapsedTime(start);
        outcome.TrainingBackwardTokens = tokens;
    }
}
