namespace AiFabric.Engine.Scheduling;

/// <summary>All that wait: those sent back, which were admitted before everybody else, then the tenants' queues.</summary>
internal sealed class WaitingLines
{
    private readonly FairQueue waiting = new();
    private readonly SequenceQueue preempted = new();

    public int Count => waiting.Count + preempted.Count;

    /// <summary>Tokens of all that wait.</summary>
    public long Tokens
    {
        get
        {
            long sum = waiting.Tokens;
            for (var sequence = preempted.First; sequence is not null; sequence = sequence.Next)
                sum += sequence.Tokens.Length;
            return sum;
        }
    }

    /// <summary>The sequence to admit next; null when none waits.</summary>
    public Sequence? Peek() => preempted.First ?? waiting.Peek();

    /// <summary>The first of all; the others follow by <see cref="After"/>.</summary>
    public Sequence? First => preempted.First ?? waiting.First;

    /// <summary>The sequence after one that waits, in no order that means anything.</summary>
    public Sequence? After(Sequence sequence) => sequence.WasAdmitted ? sequence.Next ?? waiting.First : waiting.After(sequence);

    /// <summary>Queues a new sequence.</summary>
    public void Add(Sequence sequence) => waiting.Add(sequence);

    /// <summary>Takes a sequence back that was admitted.</summary>
    public void SendBack(Sequence sequence) => preempted.AddFirst(sequence);

    /// <summary>Takes a sequence out: it is admitted, or ends.</summary>
    public void Remove(Sequence sequence)
    {
        if (sequence.WasAdmitted)
            preempted.Remove(sequence);
        else
            waiting.Remove(sequence);
    }
}
