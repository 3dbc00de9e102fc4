namespace AiFabric.Engine.Scheduling;

/// <summary>Waiting sequences in the order in which they are admitted. Linked through the sequences themselves, so that nothing is allocated.</summary>
internal sealed class SequenceQueue
{
    private Sequence? last;

    public Sequence? First { get; private set; }

    public int Count { get; private set; }

    /// <summary>Puts a sequence before all others, whatever its priority.</summary>
    public void AddFirst(Sequence sequence) => Insert(sequence, after: null);

    /// <summary>Puts a sequence behind those of more urgent priorities, and behind those of its own that are not younger.</summary>
    public void Add(Sequence sequence)
    {
        var after = last;
        while (after is not null && GoesBefore(sequence, after))
            after = after.Previous;
        Insert(sequence, after);
    }

    public void Remove(Sequence sequence)
    {
        if (sequence.Previous is { } previous)
            previous.Next = sequence.Next;
        else
            First = sequence.Next;
        if (sequence.Next is { } next)
            next.Previous = sequence.Previous;
        else
            last = sequence.Previous;
        (sequence.Previous, sequence.Next) = (null, null);
        Count--;
    }

    private static bool GoesBefore(Sequence sequence, Sequence other) => sequence.Request.Priority == other.Request.Priority
        ? sequence.Since < other.Since
        : sequence.Request.Priority < other.Request.Priority;

    private void Insert(Sequence sequence, Sequence? after)
    {
        (sequence.Previous, sequence.Next) = (after, after is null ? First : after.Next);
        if (sequence.Previous is { } previous)
            previous.Next = sequence;
        else
            First = sequence;
        if (sequence.Next is { } next)
            next.Previous = sequence;
        else
            last = sequence;
        Count++;
    }
}
