using System.Runtime.ExceptionServices;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;
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
    private BackwardThread? backward;

    /// <param name="vocabulary">Logits of a row.</param>
    /// <param name="unused">Ids that are no token: never drawn.</param>
    /// <param name="pass">Computes; owned. One that draws by itself knows of the unused ids.</param>
    /// <param name="time">Clock.</param>
    public ModelRunner(int vocabulary, int[] unused, IForwardPass pass, TimeProvider time)
    {
        (this.pass, this.time, this.vocabulary) = (pass, time, vocabulary);
        sampler = new Sampler(vocabulary, unused);
    }

    /// <summary>Whether a slice of backward can run beside the pass.</summary>
    public bool CanRunBeside => pass.Threads > 1;

    /// <summary>Runs one iteration. Nothing of it counts before the scheduler commits it, so that a failed one can be run again.</summary>
    /// <param name="batch">The plan.</param>
    /// <param name="training">Who trains in this iteration; null when the batch holds no finetuning tokens.</param>
    /// <returns>What was computed, valid until the next call.</returns>
    public BatchOutcome Run(Batch batch, ITrainingExecutor? training)
    {
        outcome.Clear();
        using var scope = training is null ? null : NewDisposeScope();
        if (training is null || batch.Backward.Tokens == 0)
            Forward(batch, training);
        else if (batch.IsBeside)
            Together(batch, training);
        else
            InTurn(batch, training);
        return outcome;
    }

    /// <summary>Asks, after an iteration that failed, whether the device still computes.</summary>
    /// <param name="failure">What the iteration failed of.</param>
    /// <exception cref="InvalidOperationException">It does not: after some failures, such as an access out of bounds, CUDA refuses all that a process asks of it from then on.</exception>
    public void RequireDevice(Exception failure)
    {
        try
        {
            pass.Settle();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"The device is lost; only a new process can use it: {e.Message}", failure);
        }
    }

    public void Dispose()
    {
        backward?.Dispose();
        pass.Dispose();
    }

    private void Forward(Batch batch, ITrainingExecutor? training)
    {
        long start = time.GetTimestamp();
        var window = batch.TrainingForwardTokens > 0 ? training?.BeginWindow(batch.TrainingForwardTokens) : null;
        if (batch.HasInference || window is not null)
            Compute(batch, window);
        if (window is not null && training is not null)
        {
            outcome.TrainingForwardTokens = window.Count;
            training.EndWindow(window, pass.WindowOutput(window));
            pass.Settle();
        }
        outcome.ForwardTime = time.GetElapsedTime(start);
    }

    private void InTurn(Batch batch, ITrainingExecutor training)
    {
        if (batch.HasInference)
            Forward(batch, training);
        var pieces = new Slices(training, batch.Backward, batch.Backward.Steps, pass, time);
        var times = default(SliceTimes);
        while (!pieces.IsDone)
            times = times.And(pieces.Next());
        (outcome.TrainingBackwardTokens, outcome.Alone) = (pieces.Tokens, times);
    }

    private void Together(Batch batch, ITrainingExecutor training)
    {
        backward ??= new BackwardThread(pass, time);
        long start = time.GetTimestamp();
        backward.Start(training, batch.Backward);
        ExceptionDispatchInfo? failure;
        try
        {
            Compute(batch, window: null);
            outcome.ForwardTime = time.GetElapsedTime(start);
        }
        finally
        {
            (outcome.TrainingBackwardTokens, failure) = backward.Wait();
        }
        failure?.Throw();
        (outcome.Beside, outcome.Alone, outcome.Turned, outcome.TurnedAfter, outcome.IsTogether) = (backward.Beside, backward.Alone, backward.Turned, backward.TurnedAfter, true);
    }

    private void Compute(Batch batch, TrainingWindow? window)
    {
        // A device need not send logits of which only the place of the largest matters.
        var results = pass is IGreedyPass greedy && Sampler.TakesMostLikely(batch)
            ? new Results { MostLikely = greedy.RunGreedy(batch, window) }
            : new Results { Logits = pass.Run(batch, window) };
        int row = 0;
        Draw(batch.DecodeRows, results, ref row);
        Draw(batch.PromptChunks, results, ref row);
    }

    private void Draw(List<BatchRows> rows, Results results, ref int first)
    {
        foreach (var row in rows)
        {
            Draw(row, results, first);
            first += row.LogitRows;
        }
    }

    // Each token is drawn as it would be without drafts, from the same logits with the same random number; a draft only spares the pass before the next
    // draw, and while the drawn token is the draft, the next logits are those that follow it. So the tokens are the same with drafts and without.
    private void Draw(BatchRows row, Results results, int first)
    {
        for (int ahead = 0; ahead < row.LogitRows; ahead++)
        {
            int at = first + ahead;
            var token = results.MostLikely.IsEmpty
                ? sampler.Sample(results.Logits.Slice(at * vocabulary, vocabulary), row.Sequence, ahead)
                : results.MostLikely[at] is >= 0 and var place ? new SampledToken(place, null, null) : Sampler.NotFinite;
            bool accepted = ahead < row.Drafts && token.Token == row.Sequence.TokensAndDrafts[row.Sequence.Tokens.Length + ahead];
            outcome.Sampled.Add(token with { Accepted = accepted });
            if (!accepted)
                break;
        }
    }

    /// <summary>What a pass gave for the rows whose logits are wanted: either.</summary>
    private readonly ref struct Results
    {
        public Span<float> Logits { get; init; }

        public ReadOnlySpan<int> MostLikely { get; init; }
    }
}
