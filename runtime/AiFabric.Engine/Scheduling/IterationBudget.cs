namespace AiFabric.Engine.Scheduling;

/// <summary>
/// The time of one iteration, divided: decode rows take what they need; prompts what the TPOT objective leaves beside them, and more where the queue
/// would miss its TTFT otherwise; finetuning what is left of both.
/// </summary>
/// <param name="options">The bounds.</param>
/// <param name="latency">What things cost.</param>
internal sealed class IterationBudget(SchedulerOptions options, LatencyModel latency)
{
    // Below this a chunk, window or slice costs mostly its fixed part.
    internal const int SmallestUseful = 16;

    // A queue that is to be through at this share of its deadline still is when the estimate is somewhat off.
    private const double Promptness = 0.7;

    // Without inference an iteration may take this share of the TTFT: nobody waits longer for it to end.
    private const double IdleShare = 0.1;

    private const double LateShare = 0.5;

    // The rest is for the last token of a short answer, which nothing after it makes up for, and for the way to the client.
    private const double Kept = 0.97;

    // A single token may take so many times the objective when its request is that much ahead of it.
    private const double Longest = 3;

    // What takes within so much of the objective counts as within it.
    private const double About = 1.1;

    // After so many longer iterations with finetuning, planned or not, comes one without: a burst finds finetuning gone.
    private const int MostLonger = 2;

    private readonly FairShare? share = options.Policy == CoServingPolicy.WeightedFair ? new FairShare(options.TrainingShare) : null;

    private double allowance;
    private int longer;
    private double decodes;
    private double promptsLeft;
    private double promptShare;
    private bool beside;
    private bool late;
    private bool isFull;

    private double PerToken => options.TpotMilliseconds is { } tpot ? tpot * Kept : double.PositiveInfinity;

    // A request has waited for long, or waits for what those that run have: finetuning would keep it waiting. Or it has just had its turns.
    private bool IsHurried => late || isFull || longer >= MostLonger;

    private double Margin => beside ? latency.MarginBeside : latency.Margin;

    /// <summary>Milliseconds an iteration may take by plan, so that the mean of each request that decodes keeps the objective after it too; infinite without one.</summary>
    private double Limit => allowance / Margin;

    /// <summary>Begins an iteration; the batch's decode rows are final.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="waiting">Who waits.</param>
    /// <param name="running">Who was admitted.</param>
    /// <param name="hasBackward">Whether finetuning has backward to offer.</param>
    /// <param name="now">On the clock of <see cref="Sequence.Arrived"/>.</param>
    public void Open(Batch batch, WaitingLines waiting, List<Sequence> running, bool hasBackward, TimeSpan now)
    {
        // What must be computed before the last of them has its first token, and how long the oldest has waited for it.
        (long promptTokens, TimeSpan oldest) = (waiting.RequestTokens, now);
        for (var sequence = waiting.First; sequence is not null; sequence = waiting.After(sequence))
            oldest = Older(sequence, oldest);
        foreach (var sequence in running)
        {
            if (sequence.Decodes || sequence.Request.IsCopy)
                continue;
            promptTokens += sequence.Remaining;
            oldest = Older(sequence, oldest);
        }
        allowance = AllowanceOf(batch, now);
        late = (now - oldest).TotalMilliseconds > options.TtftMilliseconds * LateShare;
        batch.IsBeside = beside = hasBackward && options.BackwardBeside && !IsHurried && FitsBeside(batch, promptTokens, now - oldest);
        Divide(batch, promptTokens, now - oldest);
    }

    /// <summary>Whether another chunk may join.</summary>
    public bool HasPromptRoom(Batch batch) => batch.InferenceTokens < options.MaxBatchTokens && (promptsLeft > 0 || batch.PromptChunks.Count == 0);

    /// <summary>Takes a chunk of a prompt. Call only while <see cref="HasPromptRoom"/>.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="wanted">Tokens left of the prompt.</param>
    /// <param name="start">Tokens computed of it.</param>
    /// <returns>Its tokens, at least one.</returns>
    public int TakeChunk(Batch batch, int wanted, int start)
    {
        // The first chunk is never too small to help, so that prompts end whatever the objective.
        int fits = Math.Max(latency.PromptTokens(promptsLeft, start, beside), batch.PromptChunks.Count == 0 ? SmallestUseful : 1);
        int count = Math.Min(Math.Min(wanted, fits), options.MaxBatchTokens - batch.InferenceTokens);
        promptsLeft -= (latency.PerPromptToken(beside) * count) + (latency.PerPair(beside) * LatencyModel.Pairs(start, count));
        return count;
    }

    /// <summary>Notes whether somebody waits who would have the time, and lacks a place or blocks: under a TTFT objective finetuning then keeps nobody up who could make room.</summary>
    public void Admitted(bool full) => isFull = full && options.TtftMilliseconds is not null;

    /// <summary>Milliseconds for finetuning; the batch's inference rows are final. Infinite where no objective bounds it.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="forward">Whether for a window in the pass.</param>
    /// <param name="piece">What the smallest piece on offer takes; any number where there is no share.</param>
    public double Training(Batch batch, bool forward, double piece)
    {
        double inference = latency.Inference(batch.DecodeTokens, batch.PromptTokens, batch.Pairs);
        if (!batch.HasInference)
            return options.TtftMilliseconds is { } ttft ? Math.Max(PerToken / Margin, ttft * IdleShare) - inference : double.PositiveInfinity;
        double pass = forward ? latency.InferenceOfWindow(batch.DecodeTokens, batch.PromptTokens, batch.Pairs) : inference, left = Left(batch, forward, inference, pass);
        if (share is null)
            return left;
        share.Add(inference, piece);
        return Math.Max(left, share.Owed + inference - pass);
    }

    /// <summary>Whether finetuning has a share of the time: what pieces cost matters then.</summary>
    public bool HasShare => share is not null;

    /// <summary>Whether finetuning's share pays for a piece of so many milliseconds; never under a policy without one.</summary>
    public bool Owes(double piece) => share is not null && share.Covers(piece);

    /// <summary>Notes how many milliseconds finetuning takes of the iteration.</summary>
    public void Spend(double milliseconds) => share?.Spend(milliseconds);

    /// <summary>Whether those that decode are so far ahead of the objective that an iteration may be as long as any, no prompt is in it or late, and nobody waits for a place.</summary>
    public bool IsAhead(Batch batch) => allowance >= Longest * PerToken && double.IsFinite(allowance) && batch is { DecodeRows.Count: > 0, PromptChunks.Count: 0 } && !IsHurried;

    /// <summary>Notes how long an iteration took.</summary>
    public void Took(Batch batch, TimeSpan duration) =>
        longer = batch.HasTraining && batch.DecodeRows.Count > 0 && duration.TotalMilliseconds > About * PerToken ? longer + 1 : 0;

    /// <summary>Milliseconds that one step of backward may take on all threads, so that a window begun in an idle hour still ends in a busy one.</summary>
    /// <param name="milliseconds">For finetuning in this iteration.</param>
    public double StepOfWindow(double milliseconds) => Math.Min(PerToken, Math.Max(milliseconds, PerToken / 2));

    private double Left(Batch batch, bool forward, double inference, double pass)
    {
        // The queue's prompts keep their share of the time. Where it waits for others to end, these are hurried.
        if (IsHurried)
            return 0;
        // Beside the pass nothing is taken from it.
        if (batch.IsBeside)
            return Limit;
        double left = (forward ? allowance / latency.MarginOfWindows : Limit) - pass;
        return batch.PromptChunks.Count > 0 && promptShare > 0 ? Math.Min(left, ((inference - decodes) / promptShare) - inference) : left;
    }

    // On half of the threads the pass must keep the objective with the prompts that it has to take along.
    private bool FitsBeside(Batch batch, long promptTokens, TimeSpan waited)
    {
        if (batch.DecodeRows.Count == 0)
            return false;
        double limit = allowance / latency.MarginBeside, prompts = Math.Max(
            ShareOf(promptTokens, waited, isBeside: true) * limit, Math.Min(promptTokens, SmallestUseful) * latency.PerPromptToken(beside: true));
        return double.IsPositiveInfinity(limit) || latency.Inference(batch.DecodeTokens, 0, batch.Pairs, beside: true) + prompts <= limit;
    }

    private double ShareOf(long promptTokens, TimeSpan waited, bool isBeside) => options.TtftMilliseconds is { } ttft && promptTokens > 0
        ? promptTokens * latency.PerPromptToken(isBeside) / Math.Max(1, Promptness * (ttft - waited.TotalMilliseconds))
        : 0;

    private void Divide(Batch batch, long promptTokens, TimeSpan waited)
    {
        decodes = latency.Inference(batch.DecodeTokens, 0, batch.Pairs, beside);
        promptShare = ShareOf(promptTokens, waited, beside);
        bool bounded = batch.DecodeRows.Count > 0 && !options.WholePrompts && latency.KnowsInference;
        // Where decoding alone misses the objective no share of prompts would keep it: they get theirs by the TTFT. One of s beside decode rows of d takes d · s / (1 - s).
        double needed = decodes <= PerToken || promptShare <= 0 ? 0 : promptShare < 1 ? decodes * promptShare / (1 - promptShare) : double.PositiveInfinity;
        promptsLeft = bounded ? Math.Max(Limit - decodes, needed) : double.PositiveInfinity;
    }

    // Who is behind the objective allows less than a pass takes: until it has caught up, prompts get the least that helps and finetuning nothing.
    private double AllowanceOf(Batch batch, TimeSpan now)
    {
        double least = Longest * PerToken;
        foreach (var row in batch.DecodeRows)
        {
            if (!row.Sequence.Request.IsCopy)
                least = Math.Min(least, row.Sequence.Allowance(PerToken, now));
        }
        return least;
    }

    private static TimeSpan Older(Sequence sequence, TimeSpan oldest) => sequence is { OutputCount: 0, Request.IsCopy: false } && sequence.Arrived < oldest ? sequence.Arrived : oldest;
}
