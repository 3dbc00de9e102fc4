using AiFabric.Engine.KvCache;

namespace AiFabric.Engine.Scheduling;

/// <summary>Who can be admitted, and who gives way for it.</summary>
/// <param name="options">Bounds.</param>
/// <param name="pool">Blocks of the cache.</param>
internal sealed class Admission(SchedulerOptions options, BlockPool pool)
{
    /// <summary>Whether it shares cached blocks. A cached block has keys and values but no final states, and an embedded text is seldom the beginning of another.</summary>
    public bool Shares(Sequence sequence) => options.PrefixCaching && sequence.States is null;

    /// <summary>Whether the cache has the blocks that it lacks, and one more for each that runs, or the newcomer would soon be sent back.</summary>
    public bool Fits(Sequence sequence, int running)
    {
        int needed = Shares(sequence)
            ? sequence.Blocks.Estimate(pool, sequence.Tokens).FreeNeeded
            : sequence.Blocks.BlocksFor(sequence.Tokens.Length);
        return needed + running <= pool.Free;
    }

    /// <summary>Whether the last that runs is a copy, and a request waits for its place or its blocks.</summary>
    public bool MustGiveWay(List<Sequence> running, WaitingLines waiting) =>
        running.Count > 0 && running[^1].Request.IsCopy && waiting.Peek() is { Request.IsCopy: false } next
        && (running.Count >= options.MaxRunning || !Fits(next, running.Count));

    /// <summary>Its place among those that run: requests before copies, each in the order of admission, for the last are sent back first.</summary>
    public static int PlaceOf(Sequence sequence, List<Sequence> running)
    {
        int place = running.Count;
        while (!sequence.Request.IsCopy && place > 0 && running[place - 1].Request.IsCopy)
            place--;
        return place;
    }
}
