using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
using AiFabric.Engine.Weights;
using static TorchSharp.torch;

namespace AiFabric.Engine.Execution;

/// <summary>Carries a batch out: one forward pass, sampling, then perhaps one slice of backward. For the engine's thread only.</summary>
internal sealed class ModelRunner : IDisposable
{
    private readonly int vocabulary;
    private readonly IForwardPass pass;
    private readonly Sampler sampler;
    private readonly TimeProvider time;
    private readonly BatchOutcome outcome = new();

    /// <param name="config">The model's shape.</param>
    /// <param name="pass">Computes; owned.</param>
    /// <param name="time">Clock.</param>
    public ModelRunner(DecoderConfig config, IForwardPass pass, TimeProvider time)
    {
        (this.pass, this.time, vocabulary) = (pass, time, config.VocabularySize);
        sampler = new Sampler(vocabulary);
    }

    /// <summary>Runs one iteration. Nothing of it counts before the scheduler commits it, so that a failed one can be run again.</summary>
    /// <param name="batch">The plan.</param>
    /// <param name="training">Who trains in this iteration; null when the batch holds no finetuning tokens.</param>
    /// <returns>What was computed, valid until the next call.</returns>
    public BatchOutcome Run(Batch batch, ITrainingExecutor? training)
    {
        outcome.Clear();
        using var scope = training is null ? null : NewDisposeScope();
        long start = time.GetTimestamp();
        var window = batch.TrainingForwardTokens > 0 ? training?.BeginWindow(batch.TrainingForwardTokens) : null;
        if (batch.HasInference || window is not null)
            Sample(batch, pass.Run(batch, window));
        if (window is not null && training is not null)
        {
            outcome.TrainingForwardTokens = window.Count;
            training.EndWindow(window, pass.WindowOutput(window));
        }
        outcome.ForwardTime = time.GetElapsedTime(start);
        if (batch.TrainingBackwardTokens > 0 && training is not null)
            Backward(batch.TrainingBackwardTokens, training);
        return outcome;
    }

    public void Dispose() => pass.Dispose();

    private void Sample(Batch batch, Span<float> logits)
    {
        int row = 0;
        SampleRows(batch.DecodeRows, logits, ref row);
        SampleRows(batch.PromptChunks, logits, ref row);
    }

    private void SampleRows(List<BatchRows> rows, Span<float> logits, ref int row)
    {
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
