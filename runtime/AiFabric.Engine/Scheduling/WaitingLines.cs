namespace AiFabric.Engine.Scheduling;

/// <summary>All that wait: requests, then copies of requests; of each those sent back, which were admitted before everybody else, then the tenants' queues.</summary>
internal sealed class WaitingLines
{
    private readonly Line requests = new();
    private readonly Line copies = new();

    public int Count => requests.Count + copies.Count;

    /// <summary>Tokens of all that wait.</summary>
    public long Tokens => requests.Tokens + copies.Tokens;

    /// <summary>Tokens of those for whose answers somebody waits.</summary>
    public long RequestTokens => requests.Tokens;

    /// <summary>The sequence to admit next; null when none waits but those that are held.</summary>
    public Sequence? Peek() => requests.Peek() ?? copies.Peek();

    /// <summary>The first of all; the others follow by <see cref="After"/>.</summary>
    public Sequence? First => requests.First ?? copies.First;

    /// <summary>The sequence after one that waits, in no order that means anything.</summary>
    public Sequence? After(Sequence sequence) => sequence.Request.IsCopy ? copies.After(sequence) : requests.After(sequence) ?? copies.First;

    /// <summary>Looks how far the readers of those are that were sent back.</summary>
    public void Look(TimeSpan now)
    {
        requests.Look(now);
        copies.Look(now);
    }

    /// <summary>Queues a new sequence.</summary>
    public void Add(Sequence sequence) => LineOf(sequence).New.Add(sequence);

    /// <summary>Takes a sequence back that was admitted.</summary>
    public void SendBack(Sequence sequence) => LineOf(sequence).SentBack.AddFirst(sequence);

    /// <summary>Takes a sequence out: it is admitted, or ends.</summary>
    public void Remove(Sequence sequence)
    {
        if (sequence.WasAdmitted)
            LineOf(sequence).SentBack.Remove(sequence);
        else
            LineOf(sequence).New.Remove(sequence);
    }

    private Line LineOf(Sequence sequence) => sequence.Request.IsCopy ? copies : requests;

    /// <summary>Those that wait among their like. What copies cost a tenant is kept apart from what its requests cost it.</summary>
    private sealed class Line
    {
        public FairQueue New { get; } = new();

        public SequenceQueue SentBack { get; } = new();

        public int Count => New.Count + SentBack.Count;

        public long Tokens
        {
            get
            {
                long sum = New.Tokens;
                for (var sequence = SentBack.First; sequence is not null; sequence = sequence.Next)
                    sum += sequence.Tokens.Length;
                return sum;
            }
        }

        public Sequence? First => SentBack.First ?? New.First;

        public Sequence? Peek()
        {
            var sequence = SentBack.First;
            while (sequence is { IsHeld: true })
                sequence = sequence.Next;
            return sequence ?? New.Peek();
        }

        public void Look(TimeSpan now)
        {
            for (var sequence = SentBack.First; sequence is not null; sequence = sequence.Next)
                sequence.Look(now);
        }

        public Sequence? After(Sequence sequence) => sequence.WasAdmitted ? sequence.Next ?? New.First : New.After(sequence);
    }
}
