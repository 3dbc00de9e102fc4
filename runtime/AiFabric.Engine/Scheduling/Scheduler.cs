using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Training;

namespace AiFabric.Engine.Scheduling;

/// <summary>
/// Decides what each iteration computes: continuous batching with chunked prefill over a paged cache, fair between tenants, and
/// finetuning in what is left. Pure: no tensor, clock or I/O. Not thread safe. Steps allocate nothing once its lists have grown.
/// </summary>
public sealed class Scheduler
{
    private readonly SchedulerOptions options;
    private readonly BlockPool pool;
    private readonly List<Sequence> running;
    private readonly WaitingLines waiting = new();
    private readonly Endings endings;
    private readonly Batch batch;
    private readonly IterationBudget time;
    private readonly TrainingBudget training;
    private readonly TemporalTurns? turns;
    private readonly Speculation speculation;
    private readonly Admission admission;
    private readonly Intake intake;

    /// <param name="options">Bounds.</param>
    /// <param name="pool">Blocks of the cache.</param>
    public Scheduler(SchedulerOptions options, BlockPool pool)
    {
        (this.options, this.pool) = (options, pool);
        (running, batch) = (new List<Sequence>(options.MaxRunning), new Batch(options.MaxRunning));
        time = new IterationBudget(options, Latency);
        training = new TrainingBudget(options, Latency, time);
        speculation = new Speculation(options, pool, Latency);
        admission = new Admission(options, pool);
        endings = new Endings(pool);
        intake = new Intake(admission, pool, endings);
        turns = options.Temporal is { } sharing ? new TemporalTurns(sharing, options.TpotMilliseconds) : null;
    }

    /// <summary>What iterations cost, learned from those committed.</summary>
    public LatencyModel Latency { get; } = new();

    public int RunningCount => running.Count;

    public int WaitingCount => waiting.Count;

    /// <summary>Whether any sequence waits or runs.</summary>
    public bool HasSequences => running.Count + WaitingCount > 0;

    /// <summary>Whether anything can be computed for a sequence: not when all that is left are held.</summary>
    public bool HasWork => waiting.Peek() is not null || running.Exists(static sequence => !sequence.IsHeld);

    /// <summary>Sequences that ended since the list was last cleared, each once. The engine clears it.</summary>
    public List<Sequence> Ended => endings.Ended;

    /// <summary>Tokens of the waiting sequences.</summary>
    public long WaitingTokens => waiting.Tokens;

    /// <summary>Queues a sequence. Its tokens, those still to come included, must fit the whole pool.</summary>
    /// <exception cref="ArgumentException">They do not, so that it could never end.</exception>
    public void Add(Sequence sequence)
    {
        if (sequence.Blocks.BlocksFor(sequence.PromptCount + sequence.MaxTokens) > pool.Total)
            throw new ArgumentException($"A sequence of {sequence.PromptCount} + {sequence.MaxTokens} tokens does not fit {pool.Total} blocks.", nameof(sequence));
        speculation.Add(sequence);
        waiting.Add(sequence);
    }

    /// <summary>Plans the next iteration.</summary>
    /// <param name="demand">Finetuning work on offer.</param>
    /// <param name="now">On the clock of <see cref="Sequence.Arrived"/>.</param>
    /// <returns>The plan, valid until the next call; empty when there is nothing to do.</returns>
    public Batch Next(TrainingDemand demand, TimeSpan now)
    {
        batch.Clear();
        DropCancelled();
        if (turns is null || !turns.IsFinetuning(demand, HasSequences))
            ScheduleInference(demand, now);
        if (turns is null || !batch.HasInference)
            training.Fill(batch, demand);
        batch.ExpectedMilliseconds = Latency.Expected(batch);
        return batch;
    }

    /// <summary>Takes over what an iteration computed: sequences grow, full blocks become shareable, finished sequences end.</summary>
    /// <exception cref="ArgumentException">The outcome does not have the tokens of each sampling row.</exception>
    public void Commit(Batch done, BatchOutcome outcome)
    {
        int sampled = 0;
        intake.Take(done.DecodeRows, outcome, ref sampled);
        intake.Take(done.PromptChunks, outcome, ref sampled);
        if (sampled != outcome.Sampled.Count)
            throw new ArgumentException($"{outcome.Sampled.Count} tokens where the sampling rows ask for {sampled}.", nameof(outcome));
        RemoveEnded();
        turns?.Observe(outcome.Duration.TotalMilliseconds, done.HasTraining);
        time.Took(done, outcome.Duration);
        Latency.Observe(done, outcome);
    }

    /// <summary>Ends the sequences of an iteration that failed.</summary>
    public void Fail(Batch failed, string error)
    {
        foreach (var rows in failed.DecodeRows)
            endings.End(rows.Sequence, FinishReason.Error, error);
        foreach (var rows in failed.PromptChunks)
            endings.End(rows.Sequence, FinishReason.Error, error);
        RemoveEnded();
    }

    /// <summary>Ends every sequence: the engine stops.</summary>
    public void CancelAll()
    {
        while (waiting.First is { } sequence)
            EndWaiting(sequence, FinishReason.Cancelled);
        foreach (var sequence in running)
            endings.End(sequence, FinishReason.Cancelled);
        running.Clear();
    }

    private void DropCancelled()
    {
        for (var sequence = waiting.First; sequence is not null;)
        {
            var next = waiting.After(sequence);
            if (sequence.CancelRequested)
                EndWaiting(sequence, sequence.DroppedAs);
            sequence = next;
        }
        bool any = false;
        foreach (var sequence in running)
        {
            if (!sequence.CancelRequested)
                continue;
            endings.End(sequence, sequence.DroppedAs);
            any = true;
        }
        if (any)
            RemoveEnded();
    }

    private void ScheduleInference(TrainingDemand demand, TimeSpan now)
    {
        foreach (var sequence in running)
            sequence.Look(now);
        waiting.Look(now);
        // Who waits for a place or blocks comes with the next iteration, when others have given way.
        while (admission.YieldsTo(running, waiting) is >= 0 and var index)
            Preempt(index);
        ScheduleDecodes(now);
        time.Open(batch, waiting, running, turns is null && demand.Phase == TrainingPhase.Backward && training.Offers(demand), now);
        ScheduleChunks();
        // Who was just sent away must not come back for the blocks it made room with.
        if (batch.Preempted == 0)
            Admit();
        time.Admitted(full: time.HasPromptRoom(batch) && waiting.Peek() is { Request.IsCopy: false });
        speculation.Fill(batch, running.Count);
    }

    // Oldest first; who is held gives way, then the newest. The oldest that is read therefore always advances, so every sequence ends. Copies are behind all others.
    private void ScheduleDecodes(TimeSpan now)
    {
        for (int i = 0; i < running.Count; i++)
        {
            var sequence = running[i];
            if (!sequence.Decodes || sequence.IsHeld)
                continue;
            bool grown;
            while (!(grown = sequence.Blocks.TryGrow(pool, sequence.Tokens.Length)) && SendBackAnother(ref i))
            {
            }
            if (grown)
            {
                sequence.Continued ??= now;
                batch.DecodeRows.Add(new BatchRows(sequence, sequence.Computed, 1, Samples: true));
                batch.Pairs += LatencyModel.Pairs(sequence.Computed, 1);
            }
            else
            {
                Preempt(i);
            }
        }
    }

    private bool SendBackAnother(ref int than)
    {
        int index = Admission.LastHeld(running) is >= 0 and var held ? held : running.Count - 1;
        if (index == than)
            return false;
        Preempt(index);
        than -= index < than ? 1 : 0;
        return true;
    }

    private void ScheduleChunks()
    {
        foreach (var sequence in running)
        {
            // All blocks were taken at admission.
            if (!sequence.Decodes)
                AddChunk(sequence);
        }
    }

    private void AddChunk(Sequence sequence)
    {
        if (!time.HasPromptRoom(batch))
            return;
        int count = time.TakeChunk(batch, sequence.Remaining, sequence.Computed);
        batch.Pairs += LatencyModel.Pairs(sequence.Computed, count);
        batch.PromptChunks.Add(new BatchRows(sequence, sequence.Computed, count, Samples: count == sequence.Remaining && sequence.States is null));
        batch.PromptTokens += count;
    }

    private void Admit()
    {
        while (running.Count < options.MaxRunning && time.HasPromptRoom(batch) && waiting.Peek() is { } sequence)
        {
            if (options.WholePrompts && sequence.Tokens.Length > options.MaxBatchTokens - batch.InferenceTokens)
                return;
            if (!admission.Fits(sequence, running.Count))
                return;
            waiting.Remove(sequence);
            Start(sequence);
        }
    }

    private void Start(Sequence sequence)
    {
        if (admission.Shares(sequence))
            sequence.Computed = sequence.Blocks.ShareCached(pool, sequence.Tokens);
        if (!sequence.Blocks.TryGrow(pool, sequence.Tokens.Length))
            throw new InvalidOperationException("Admission promised blocks that the pool does not have.");
        if (!sequence.WasAdmitted)
        {
            (sequence.WasAdmitted, sequence.CachedTokens) = (true, sequence.Computed);
            batch.Newcomers.Add(sequence);
            batch.PrefixHitTokens += sequence.Computed;
            batch.PrefixQueryTokens += admission.Shares(sequence) ? sequence.PromptCount : 0;
            FairQueue.ChargePrompt(sequence, sequence.PromptCount - sequence.Computed);
        }
        sequence.State = SequenceState.Running;
        running.Insert(Admission.PlaceOf(sequence, running), sequence);
        AddChunk(sequence);
    }

    private void Preempt(int index)
    {
        var sequence = running[index];
        running.RemoveAt(index);
        sequence.Blocks.Release(pool);
        sequence.States?.Clear();
        (sequence.Computed, sequence.State) = (0, SequenceState.Waiting);
        waiting.SendBack(sequence);
        batch.Preempted++;
    }

    private void EndWaiting(Sequence sequence, FinishReason reason)
    {
        waiting.Remove(sequence);
        endings.End(sequence, reason);
    }

    private void RemoveEnded() => running.RemoveAll(static sequence => sequence.State == SequenceState.Ended);
}
