using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Tests.Scheduling;

/// <summary>What a request got.</summary>
/// <param name="Arrived">When it came.</param>
/// <param name="Ttft">Time to its first token.</param>
/// <param name="Tpot">Mean time of the tokens after the first; null for a request of one token.</param>
/// <param name="Ended">When its last token came.</param>
internal sealed record Served(TimeSpan Arrived, TimeSpan Ttft, TimeSpan? Tpot, TimeSpan Ended);

/// <summary>One iteration on the machine.</summary>
internal sealed record Iteration(TimeSpan Start, TimeSpan Duration, int DecodeRows, int PromptTokens, int Waiting, double TrainingWork, bool IsBeside, int Window, BackwardSlice Slice, double Expected);

/// <summary>
/// A scheduler on a machine that exists only as costs and a clock: every iteration is up to a tenth slower or faster than those, or as much as is said. The same seed gives the same run.
/// </summary>
internal sealed class ScriptedMachine(SchedulerOptions options, ScriptedJob? job, MachineCosts costs, int seed = 1, double unsteadiness = 0.1)
{
    private readonly Random random = new(seed);
    private readonly Scheduler scheduler = new(options with { BackwardBeside = costs.Half is not null }, new BlockPool(4_096));
    private readonly BatchOutcome outcome = new();
    private readonly Dictionary<SequenceId, (TimeSpan First, TimeSpan Last)> times = [];

    public List<Served> Requests { get; } = [];

    public List<Iteration> Iterations { get; } = [];

    /// <summary>Runs until the requests have ended.</summary>
    /// <param name="arrivals">In the order of their arrival.</param>
    /// <param name="until">And at least so long.</param>
    public ScriptedMachine Run(IReadOnlyList<(TimeSpan At, int Prompt, int Answer)> arrivals, TimeSpan until)
    {
        var now = TimeSpan.Zero;
        for (int next = 0; next < arrivals.Count || scheduler.HasSequences || now < until;)
        {
            for (; next < arrivals.Count && arrivals[next].At <= now; next++)
                scheduler.Add(Request(next, arrivals[next]));
            var batch = scheduler.Next(job?.Demand ?? default, now);
            now = batch.IsEmpty ? (next < arrivals.Count ? arrivals[next].At : until) : Compute(batch, now);
        }
        return this;
    }

    private TimeSpan Compute(Batch batch, TimeSpan start)
    {
        outcome.Sampled.Clear();
        foreach (var row in batch.DecodeRows.Concat(batch.PromptChunks).Where(row => row.Samples))
            outcome.Sampled.Add(new SampledToken(1, null, null));
        double noise = 1 - unsteadiness + (2 * unsteadiness * random.NextDouble());
        double pass = (batch.IsBeside ? Half : costs.All).PassOf(batch) * noise;
        outcome.ForwardTime = batch.HasInference || batch.TrainingForwardTokens > 0 ? TimeSpan.FromMilliseconds(pass) : TimeSpan.Zero;
        (outcome.Alone, outcome.Beside, outcome.Turned, outcome.TurnedAfter, outcome.IsTogether) = (default, default, default, default, batch.IsBeside);
        if (batch.Backward.LossTokens > 0)
            Do(batch.Backward with { Steps = 0 }, noise);
        for (int step = 0; step < batch.Backward.Steps; step++)
            Do(new BackwardSlice(batch.Backward.Tokens, 0, 1), noise);
        (outcome.TrainingForwardTokens, outcome.TrainingBackwardTokens) = (batch.TrainingForwardTokens, job?.Run(batch) ?? 0);
        var end = start + outcome.Duration;
        Iterations.Add(new Iteration(start, end - start, batch.DecodeRows.Count, batch.PromptTokens, scheduler.WaitingCount, batch.TrainingWork, batch.IsBeside, batch.TrainingForwardTokens, batch.Backward, batch.ExpectedMilliseconds));
        foreach (var row in batch.DecodeRows.Concat(batch.PromptChunks).Where(row => row.Samples))
            times[row.Sequence.Id] = times.TryGetValue(row.Sequence.Id, out var seen) ? (seen.First, end) : (end, end);
        scheduler.Commit(batch, outcome);
        foreach (var sequence in scheduler.Ended)
        {
            var (first, last) = times[sequence.Id];
            Requests.Add(new Served(sequence.Arrived, first - sequence.Arrived, sequence.OutputCount > 1 ? (last - first) / (sequence.OutputCount - 1) : null, last));
        }
        scheduler.Ended.Clear();
        return end;
    }

    private ThreadCosts Half => costs.Half ?? costs.All;

    // Beside the pass on half of the threads, and on all when it has ended.
    private void Do(BackwardSlice piece, double noise)
    {
        var all = TimeSpan.FromMilliseconds(costs.All.Of(piece) * noise);
        var half = TimeSpan.FromMilliseconds(Half.Of(piece) * noise);
        var left = outcome.IsTogether ? outcome.ForwardTime - outcome.BackwardTime : TimeSpan.Zero;
        if (left <= TimeSpan.Zero)
            outcome.Alone = outcome.Alone.And(piece, all);
        else if (half <= left)
            outcome.Beside = outcome.Beside.And(piece, half);
        else
            (outcome.Turned, outcome.TurnedAfter) = (default(SliceTimes).And(piece, left + ((1 - (left / half)) * all)), left);
    }

    private static Sequence Request(int number, (TimeSpan At, int Prompt, int Answer) arrival) => new(
        new SequenceId(number), new GenerationRequest { PromptTokens = [.. Enumerable.Range(1_000 * number, arrival.Prompt)], MaxTokens = arrival.Answer },
        arrival.Answer, seed: 0, adapterLoad: 0, blockSize: 16)
    { Arrived = arrival.At };
}
