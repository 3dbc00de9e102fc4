using AiFabric.Engine.KvCache;

namespace AiFabric.Engine.Scheduling;

/// <summary>
/// Lets decode rows guess ahead: a row of one token becomes a short chunk of it and the tokens that its <see cref="PromptLookup"/> guesses. Guesses take only
/// tokens and blocks that nobody else wants, and only while they pay.
/// </summary>
/// <param name="options">The bounds.</param>
/// <param name="pool">Blocks of the cache.</param>
/// <param name="latency">What rows cost, shared with the scheduler that feeds it.</param>
internal sealed class Speculation(SchedulerOptions options, BlockPool pool, LatencyModel latency)
{
    /// <summary>Prepares a sequence as it arrives, if that was not done before.</summary>
    public void Add(Sequence sequence)
    {
        if (options.SpeculativeTokens > 0)
            sequence.Lookup ??= new PromptLookup(options.PromptLookupMin, options.PromptLookupMax, sequence.Capacity);
    }

    /// <summary>Lengthens the batch's decode rows; its other rows are final.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="running">Sequences that run; each may want a block in the next iteration.</param>
    public void Fill(Batch batch, int running)
    {
        if (options.SpeculativeTokens == 0)
            return;
        for (int i = 0; i < batch.DecodeRows.Count && batch.InferenceTokens < options.MaxBatchTokens; i++)
        {
            var row = batch.DecodeRows[i];
            int drafts = Guess(row.Sequence, batch, running);
            if (drafts == 0)
                continue;
            batch.DecodeRows[i] = row with { Count = 1 + drafts, Drafts = drafts };
            batch.DraftRows++;
            batch.DraftTokens += drafts;
        }
    }

    /// <summary>Learns how a row's guesses fared.</summary>
    public static void Learn(BatchRows row, int accepted)
    {
        if (row.Drafts > 0)
            row.Sequence.Lookup?.Learn(row.Drafts, accepted);
    }

    private int Guess(Sequence sequence, Batch batch, int running)
    {
        sequence.DropDrafts();
        // The pass draws one token more than it accepts.
        int most = Math.Min(options.SpeculativeTokens, sequence.MaxTokens - sequence.OutputCount - 1);
        most = Math.Min(most, options.MaxBatchTokens - batch.InferenceTokens);
        if (sequence.Lookup is not { } lookup || most <= 0 || lookup.Find(sequence.Tokens) is not (> 0 and var source))
            return 0;
        int worth = Worth(lookup.Acceptance, most, batch);
        if (worth == 0)
            lookup.Rest();
        most = Math.Min(worth, Room(sequence, worth, running));
        // Where the guess overtakes the end it repeats itself, as a repetition does.
        for (int i = 0; i < most && !sequence.Request.IsStop(sequence.TokensAndDrafts[source + i]); i++)
            sequence.Draft(sequence.TokensAndDrafts[source + i]);
        return sequence.TokensAndDrafts.Length - sequence.Tokens.Length;
    }

    // One more token with probability p pays while p exceeds the share of the iteration's time that one more row in n adds: (n + p) / (t + b) > n / t
    // when p > b·n / t. In a small batch rows are nearly free, in a large one they cost what they bring.
    private int Worth(double acceptance, int most, Batch batch)
    {
        double likely = acceptance;
        int worth = 0;
        while (worth < most && likely > latency.DecodeShare(batch.DecodeTokens + worth, batch.PromptTokens, batch.Pairs))
            (worth, likely) = (worth + 1, likely * acceptance);
        return worth;
    }

    // Drafts fill the blocks that the sequence has, and take more only where nobody else will want them next.
    private int Room(Sequence sequence, int wanted, int running)
    {
        int tokens = sequence.Tokens.Length;
        while (sequence.Blocks.Capacity < tokens + wanted && pool.Free > running)
        {
            if (!sequence.Blocks.TryGrow(pool, sequence.Blocks.Capacity + 1))
                break;
        }
        return sequence.Blocks.Capacity - tokens;
    }
}
