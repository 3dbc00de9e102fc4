using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;

namespace AiFabric.Engine.Scheduling;

/// <summary>Ends sequences, each once, and lists those that ended.</summary>
/// <param name="pool">Where their blocks go.</param>
internal sealed class Endings(BlockPool pool)
{
    /// <summary>Those that ended since the list was last cleared.</summary>
    public List<Sequence> Ended { get; } = [];

    /// <summary>Ends a sequence, unless it has ended already.</summary>
    public void End(Sequence sequence, FinishReason reason, string? error = null)
    {
        if (sequence.State == SequenceState.Ended)
            return;
        sequence.End(reason, error);
        FairQueue.Ended(sequence);
        sequence.Blocks.Release(pool);
        Ended.Add(sequence);
    }
}
