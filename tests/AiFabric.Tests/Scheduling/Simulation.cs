using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;
using AiFabric.Engine.Training;

namespace AiFabric.Tests.Scheduling;

/// <summary>A scheduler whose iterations "compute" without a model: every sampled token is the same, if a test does not say otherwise.</summary>
internal sealed class Simulation
{
    public const int SampledToken = 1;

    private readonly BatchOutcome outcome = new();
    private long lastId;

    public Simulation(int blocks = 64, int blockSize = 4, int batchTokens = 16, int running = 8, Func<SchedulerOptions, SchedulerOptions>? change = null)
    {
        BlockSize = blockSize;
        Pool = new BlockPool(blocks);
        var options = new SchedulerOptions { MaxBatchTokens = batchTokens, MaxRunning = running, MaxFinetuneTokens = 8 };
        Scheduler = new Scheduler(change?.Invoke(options) ?? options, Pool);
    }

    public int BlockSize { get; }

    public BlockPool Pool { get; }

    public Scheduler Scheduler { get; }

    /// <summary>Work that training offers.</summary>
    public TrainingDemand Demand { get; set; }

    /// <summary>Time since the start, to which iterations add their duration.</summary>
    public TimeSpan Now { get; set; }

    /// <summary>Duration of backward.</summary>
    public Func<BackwardSlice, double> BackwardMilliseconds { get; set; } = slice => slice.Tokens * slice.Steps;

    /// <summary>The token at a place of the output.</summary>
    public Func<int, int> Draw { get; set; } = _ => SampledToken;

    /// <summary>Whether tokens wait for readers, who take them by <see cref="Read"/>; else nobody is ever behind.</summary>
    public bool HasReaders { get; set; }

    /// <summary>Has a reader take tokens.</summary>
    /// <returns>Whether one of them told that the sequence may go on.</returns>
    public static bool Read(Sequence sequence, int tokens)
    {
        bool told = false;
        for (int i = 0; i < tokens; i++)
            told |= sequence.Taken();
        return told;
    }

    /// <summary>Duration of the next iterations.</summary>
    public Func<Batch, double> Milliseconds { get; set; } = _ => 1;

    public Sequence Add(
        int prompt, int output, int firstToken = 100, long adapter = 0, string? salt = null, int[]? stops = null, string? tenant = null, int priority = 0, TimeSpan age = default,
        bool isCopy = false) =>
        Add([.. Enumerable.Range(firstToken, prompt)], output, adapter, salt, stops, tenant, priority, age, isCopy);

    public Sequence Add(
        int[] prompt, int output, long adapter = 0, string? salt = null, int[]? stops = null, string? tenant = null, int priority = 0, TimeSpan age = default,
        bool isCopy = false)
    {
        var request = new GenerationRequest
        {
            PromptTokens = prompt,
            MaxTokens = output,
            CacheSalt = salt,
            Tenant = tenant,
            Priority = priority,
            Age = age,
            IsCopy = isCopy,
            StopTokens = stops ?? [],
        };
        var sequence = new Sequence(new SequenceId(++lastId), request, output, seed: 0, adapter, BlockSize) { Arrived = Now };
        Scheduler.Add(sequence);
        return sequence;
    }

    /// <summary>Adds a sequence that is embedded. Its states are one number: the position.</summary>
    public Sequence AddEmbedded(int prompt, int firstToken = 100)
    {
        var request = new GenerationRequest { PromptTokens = [.. Enumerable.Range(firstToken, prompt)], MaxTokens = 0 };
        var sequence = new Sequence(new SequenceId(++lastId), request, 0, seed: 0, 0, BlockSize, new StatePool(1));
        Scheduler.Add(sequence);
        return sequence;
    }

    /// <summary>Plans without carrying out.</summary>
    public Batch Plan() => Scheduler.Next(Demand, Now);

    /// <summary>A sequence that a test wants to remember.</summary>
    public Sequence Running { get; set; } = null!; // Set by tests that read it.

    /// <summary>Carries out an iteration with other finetuning than the scheduler would choose.</summary>
    public void Force(Action<Batch> change)
    {
        var batch = Scheduler.Next(default, Now);
        change(batch);
        Commit(batch);
    }

    /// <summary>Plans and carries out one iteration.</summary>
    public Batch Step()
    {
        var batch = Plan();
        Commit(batch);
        return batch;
    }

    public void Commit(Batch batch)
    {
        outcome.Sampled.Clear();
        foreach (var row in batch.PromptChunks)
            row.Sequence.States?.Put([.. Enumerable.Range(row.Start, row.Count).Select(position => (float)position)], row.Count);
        foreach (var row in batch.DecodeRows.Concat(batch.PromptChunks).Where(row => row.Samples))
        {
            for (int i = 0; i < row.LogitRows; i++)
            {
                int token = Draw(row.Sequence.OutputCount + i);
                bool accepted = i < row.Drafts && token == row.Sequence.TokensAndDrafts[row.Sequence.Tokens.Length + i];
                outcome.Sampled.Add(new SampledToken(token, null, null, accepted));
                if (HasReaders)
                    row.Sequence.Written();
                if (!accepted)
                    break;
            }
        }
        outcome.TrainingForwardTokens = batch.TrainingForwardTokens;
        outcome.TrainingBackwardTokens = batch.Backward.Tokens;
        outcome.ForwardTime = TimeSpan.FromMilliseconds(Milliseconds(batch));
        (outcome.Alone, outcome.Beside) = batch.IsBeside ? (default(SliceTimes), Times(batch.Backward)) : (Times(batch.Backward), default);
        outcome.IsTogether = batch.IsBeside;
        Now += outcome.Duration;
        Scheduler.Commit(batch, outcome);
    }

    private SliceTimes Times(BackwardSlice slice)
    {
        double losses = slice.LossTokens == 0 ? 0 : BackwardMilliseconds(slice with { Steps = 0 }), all = slice.Tokens == 0 ? 0 : BackwardMilliseconds(slice);
        return new SliceTimes(slice.LossTokens, TimeSpan.FromMilliseconds(losses), slice.Steps, TimeSpan.FromMilliseconds(all - losses));
    }

    /// <summary>Steps until nothing is left.</summary>
    /// <returns>Iterations taken.</returns>
    public int RunToEnd(int most = 100_000)
    {
        for (int i = 0; i < most; i++)
        {
            if (!Scheduler.HasSequences)
                return i;
            Step();
        }
        throw new InvalidOperationException($"{Scheduler.RunningCount} sequences run and {Scheduler.WaitingCount} wait after {most} iterations.");
    }
}
