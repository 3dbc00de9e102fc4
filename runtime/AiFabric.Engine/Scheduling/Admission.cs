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

    /// <summary>Who gives way to the next that waits, when it lacks a place or blocks: who is held, else, if it is a request, a copy.</summary>
    /// <returns>Its index; -1 for nobody.</returns>
    public int YieldsTo(List<Sequence> running, WaitingLines waiting)
    {
        int held = LastHeld(running), copy = running.Count > 0 && running[^1].Request.IsCopy ? running.Count - 1 : -1;
        if ((held < 0 && copy < 0) || waiting.Peek() is not { } next || (running.Count < options.MaxRunning && Fits(next, running.Count)))
            return -1;
        return held >= 0 ? held : next.Request.IsCopy ? -1 : copy;
    }

    /// <summary>Index of the last that is held; -1 for none.</summary>
    public static int LastHeld(List<Sequence> running) => running.FindLastIndex(static sequence => sequence.IsHeld);

    /// <summary>Its place among those that run: requests before copies, each in the order of admission, for the last are sent back first.</summary>
    public static int PlaceOf(Sequence sequence, List<Sequence> running)
    {
        int place = running.Count;
        while (!sequence.Request.IsCopy && place > 0 && running[place - 1].Request.IsCopy)
            place--;
        return place;
    }
}
