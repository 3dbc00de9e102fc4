using AiFabric.Engine.Scheduling;

namespace AiFabric.Tests.Scheduling;

/// <summary>
/// A model whose keys and values are hashes: each slot of the cache holds the hash of all tokens up to its own, continued from the slot before. The token
/// drawn is made of the last hash, so that a slot that is wrong, stale or another tenant's gives other tokens than the sequence alone would.
/// </summary>
/// <param name="blocks">Blocks of the cache.</param>
/// <param name="blockSize">Tokens of a block.</param>
/// <param name="vocabulary">How many different tokens are drawn: of a few, guesses are sometimes right.</param>
internal sealed class ScriptedKeyValues(int blocks, int blockSize, int vocabulary = 30_000)
{
    private readonly ulong[] slots = new ulong[blocks * blockSize];

    /// <summary>Computes a batch. Allocates nothing.</summary>
    public void Run(Batch batch, BatchOutcome outcome)
    {
        outcome.Sampled.Clear();
        foreach (var row in batch.DecodeRows)
            Run(row, outcome);
        foreach (var row in batch.PromptChunks)
            Run(row, outcome);
        outcome.ForwardTime = TimeSpan.FromMilliseconds(1);
    }

    /// <summary>The tokens that a sequence gets when it runs alone.</summary>
    public List<int> Expected(Sequence sequence, int count)
    {
        ulong hash = Start(sequence);
        foreach (int token in sequence.Request.PromptTokens)
            hash = Next(hash, token);
        var tokens = new List<int>(count);
        for (int i = 0; i < count; i++)
        {
            tokens.Add(Draw(hash));
            hash = Next(hash, tokens[^1]);
        }
        return tokens;
    }

    private void Run(BatchRows row, BatchOutcome outcome)
    {
        var sequence = row.Sequence;
        ulong hash = row.Start == 0 ? Start(sequence) : slots[sequence.Blocks.Slot(row.Start - 1)];
        for (int token = row.Start; token < row.Start + row.Count; token++)
            slots[sequence.Blocks.Slot(token)] = hash = Next(hash, sequence.TokensAndDrafts[token]);
        int end = row.Start + row.Count;
        for (int token = end - row.LogitRows; token < end; token++)
        {
            int drawn = Draw(slots[sequence.Blocks.Slot(token)]);
            bool accepted = token + 1 < end && drawn == sequence.TokensAndDrafts[token + 1];
            outcome.Sampled.Add(new SampledToken(drawn, null, null, accepted));
            if (!accepted)
                break;
        }
    }

    private static ulong Start(Sequence sequence)
    {
        ulong hash = Next(14_695_981_039_346_656_037, (int)sequence.AdapterLoad);
        foreach (char c in sequence.Request.Tenant ?? "")
            hash = Next(hash, c);
        return hash;
    }

    private static ulong Next(ulong hash, int token)
    {
        hash = (hash ^ (uint)token) * 1_099_511_628_211;
        return hash ^ (hash >> 29);
    }

    private int Draw(ulong hash) => (int)((hash >> 20) % (ulong)vocabulary);
}
