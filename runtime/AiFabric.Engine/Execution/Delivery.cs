using AiFabric.Engine.Adapters;
using AiFabric.Engine.Requests;
using AiFabric.Engine.Scheduling;

namespace AiFabric.Engine.Execution;

/// <summary>Brings tokens and ends to the clients' channels, exactly one end to each. For the engine's thread only.</summary>
/// <param name="adapters">Where ended sequences give their adapters back.</param>
/// <param name="metrics">Counted here: latencies, tokens, ends.</param>
/// <param name="attainment">Told whether each token met the objective.</param>
/// <param name="tpotObjective">Null without an objective.</param>
/// <param name="time">Clock.</param>
internal sealed class Delivery(
    AdapterRegistry adapters, EngineMetrics metrics, SlidingAttainment attainment, TimeSpan? tpotObjective, TimeProvider time)
{
    private readonly Dictionary<SequenceId, RequestStream> streams = [];

    public void Open(RequestStream stream) => streams.Add(stream.Sequence.Id, stream);

    /// <summary>Notes that sequences were admitted. Call after planning, before the pass.</summary>
    public void Admitted(Batch batch)
    {
        if (batch.Newcomers.Count == 0)
            return;
        long now = time.GetTimestamp();
        foreach (var chunk in batch.PromptChunks)
        {
            // A first chunk: nothing was computed but what the cache gave.
            if (!chunk.Sequence.Request.IsCopy && chunk.Sequence.OutputCount == 0 && chunk.Start == chunk.Sequence.CachedTokens && streams.TryGetValue(chunk.Sequence.Id, out var stream))
                metrics.QueueSeconds.Observe(time.GetElapsedTime(stream.Submitted, now).TotalSeconds);
        }
    }

    /// <summary>Delivers an iteration's tokens. Call after the scheduler took them over.</summary>
    public void Tokens(Batch batch, BatchOutcome outcome)
    {
        int sampled = 0;
        long now = time.GetTimestamp();
        TokensOf(batch.DecodeRows, outcome, now, ref sampled);
        TokensOf(batch.PromptChunks, outcome, now, ref sampled);
    }

    /// <summary>Closes the streams of ended sequences and empties the list.</summary>
    public void Ends(List<Sequence> ended)
    {
        foreach (var sequence in ended)
        {
            if (!streams.Remove(sequence.Id, out var stream))
                continue;
            // The scheduler ends no sequence without a reason.
            var reason = sequence.Finish!.Value;
            if (!stream.Finished)
                stream.Write(new TokenEvent { Finish = reason, Error = sequence.Error, CachedTokens = sequence.CachedTokens });
            stream.Complete();
            if (sequence.Request.IsCopy)
                metrics.Copies.Add(1);
            else
                Count(reason, stream);
            if (sequence.AdapterLoad != 0)
                adapters.Release(sequence.AdapterLoad);
        }
        ended.Clear();
    }

    private void Count(FinishReason reason, RequestStream stream)
    {
        metrics.Finished(reason).Add(1);
        metrics.RequestSeconds.Observe(time.GetElapsedTime(stream.Submitted).TotalSeconds);
    }

    private void TokensOf(List<BatchRows> rows, BatchOutcome outcome, long now, ref int sampled)
    {
        foreach (var row in rows)
        {
            if (!row.Samples)
                continue;
            var stream = streams[row.Sequence.Id];
            int first = sampled;
            SampledToken token;
            do
            {
                token = outcome.At(sampled++);
                if (token.Failure is null)
                    stream.Write(EventOf(token, row.Sequence));
            }
            while (token.Accepted);
            metrics.AcceptedDraftTokens.Add(sampled - first - 1);
            int drawn = sampled - first - (token.Failure is null ? 0 : 1);
            (row.Sequence.Request.IsCopy ? metrics.CopyTokens : metrics.GenerationTokens).Add(drawn);
            if (drawn > 0 && !row.Sequence.Request.IsCopy)
                Time(stream, now, drawn);
        }
    }

    private static TokenEvent EventOf(SampledToken token, Sequence sequence) => new()
    {
        Token = token.Token,
        Logprob = token.Logprob,
        TopLogprobs = token.Top,
        Finish = token.Accepted ? null : sequence.Finish,
        CachedTokens = sequence.CachedTokens,
    };

    // Tokens of one iteration share the time since the token before them.
    private void Time(RequestStream stream, long now, int tokens)
    {
        if (stream.Sequence.WasHeld)
        {
            // What its reader took so long for is no latency of the engine's.
            stream.Sequence.WasHeld = false;
        }
        else if (stream.LastToken is not { } last)
        {
            metrics.TimeToFirstTokenSeconds.Observe(time.GetElapsedTime(stream.Submitted, now).TotalSeconds);
        }
        else
        {
            var each = time.GetElapsedTime(last, now) / tokens;
            for (int i = 0; i < tokens; i++)
            {
                metrics.InterTokenSeconds.Observe(each.TotalSeconds);
                if (tpotObjective is { } objective)
                    attainment.Observe(each <= objective);
            }
        }
        stream.LastToken = now;
    }
}
