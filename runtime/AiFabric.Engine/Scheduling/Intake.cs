using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;

namespace AiFabric.Engine.Scheduling;

/// <summary>Takes over what an iteration computed for its rows.</summary>
/// <param name="admission">Says whose blocks are shared.</param>
/// <param name="pool">Blocks of the cache.</param>
/// <param name="endings">Ends those that are done.</param>
internal sealed class Intake(Admission admission, BlockPool pool, Endings endings)
{
    /// <summary>Has sequences grow by what was drawn, publishes full blocks, ends what is finished.</summary>
    /// <param name="rows">The rows, as they were planned.</param>
    /// <param name="outcome">What came of them.</param>
    /// <param name="sampled">Tokens of the outcome that were taken over before; those of these rows are added.</param>
    public void Take(List<BatchRows> rows, BatchOutcome outcome, ref int sampled)
    {
        foreach (var row in rows)
        {
            Computed(row.Sequence, row.Count - row.Drafts);
            row.Sequence.States?.Commit();
            if (row.Sequence is { States: { } states, Remaining: 0 })
                endings.End(row.Sequence, states.Failure is null ? FinishReason.Stop : FinishReason.Error, states.Failure);
            if (!row.Samples)
                continue;
            int accepted = 0;
            SampledToken token;
            // A draft that was accepted has its keys and values in the cache; those of the others are written over.
            for (; (token = outcome.At(sampled++)).Accepted; accepted++)
            {
                Append(row.Sequence, token.Token);
                Computed(row.Sequence, 1);
            }
            if (token.Failure is not null)
            {
                endings.End(row.Sequence, FinishReason.Error, token.Failure);
                continue;
            }
            Append(row.Sequence, token.Token);
            Speculation.Learn(row, accepted);
            if (row.Sequence.Request.IsStop(token.Token))
                endings.End(row.Sequence, FinishReason.Stop);
            else if (row.Sequence.OutputCount >= row.Sequence.MaxTokens)
                endings.End(row.Sequence, FinishReason.Length);
        }
    }

    private void Computed(Sequence sequence, int tokens)
    {
        sequence.Computed += tokens;
        if (admission.Shares(sequence))
            sequence.Blocks.Publish(pool, sequence.Tokens, sequence.Computed);
    }

    private static void Append(Sequence sequence, int token)
    {
        sequence.Append(token);
        FairQueue.ChargeOutput(sequence);
    }
}
