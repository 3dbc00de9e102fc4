using System.Runtime.InteropServices;
using AiFabric.Engine.Constraints;
using AiFabric.Engine.KvCache;
using AiFabric.Engine.Requests;

namespace AiFabric.Engine.Scheduling;

/// <summary>Where a sequence is in its life.</summary>
public enum SequenceState
{
    Waiting,
    Running,
    Ended,
}

/// <summary>
/// One request on its way through the engine: its tokens, how many of them have keys and values in the cache, and where those lie.
/// Belongs to the scheduler; only <see cref="RequestCancel"/>, <see cref="RequestStop"/> and <see cref="Taken"/> may be called from other threads.
/// </summary>
public sealed class Sequence
{
    // Room that a sequence gets when it arrives; longer answers have it grow, doubling.
    private const int ReservedOutput = 4096;

    private readonly List<int> tokens; // Drafts behind them.
    private int count;
    private volatile bool cancelRequested;
    private volatile bool isWhole;
    private int unread;
    private TimeSpan heldSince;

    /// <param name="id">Identity inside the engine.</param>
    /// <param name="request">What the client asked for.</param>
    /// <param name="maxTokens">Tokens generated at most: the request's number, cut to the context length.</param>
    /// <param name="seed">Seed of this sequence's draws.</param>
    /// <param name="adapterLoad">Number of the adapter's load; 0 for the base model.</param>
    /// <param name="blockSize">Tokens of a cache block.</param>
    /// <param name="states">Where the prompt's hidden states go, for a sequence that is embedded and generates nothing; null otherwise.</param>
    public Sequence(SequenceId id, GenerationRequest request, int maxTokens, long seed, long adapterLoad, int blockSize, StatePool? states = null)
    {
        (Id, Request, MaxTokens, Seed, AdapterLoad, States) = (id, request, maxTokens, seed, adapterLoad, states);
        tokens = new List<int>(request.PromptTokens.Count + Math.Min(maxTokens, ReservedOutput));
        tokens.AddRange(request.PromptTokens);
        count = tokens.Count;
        Blocks = new BlockTable(blockSize, PrefixHash.Start(adapterLoad, request.CacheSalt, request.Tenant), request.PrefixNames);
        Blocks.Reserve(tokens.Capacity);
        Matcher = request.Constraint?.Begin();
    }

    public SequenceId Id { get; }

    public GenerationRequest Request { get; }

    public int MaxTokens { get; }

    public long Seed { get; }

    public long AdapterLoad { get; }

    /// <summary>When it arrived, on the clock by which the scheduler is told the time.</summary>
    public TimeSpan Arrived { get; init; }

    /// <summary>When the work arrived that it is a part of: by this, equals are admitted in order.</summary>
    public TimeSpan Since => Arrived - Request.Age;

    public BlockTable Blocks { get; }

    /// <summary>Where its hidden states go; null for a sequence that generates.</summary>
    public StatePool? States { get; }

    /// <summary>Where the output is in the request's constraint, for whoever samples; null without one.</summary>
    public TokenMatcher? Matcher { get; }

    public SequenceState State { get; internal set; }

    /// <summary>
    /// Tokens that wait for a reader before no more are computed. Enough that a reader who is late for an iteration or two holds up nothing, and few beside what lies in
    /// sockets on the way to one that is slow.
    /// </summary>
    public const int MostUnread = 128;

    /// <summary>Whether its reader is behind: nothing is computed for it until half of what waits is taken, and it gives way to all that lack its place or its blocks.</summary>
    public bool IsHeld { get; private set; }

    /// <summary>Prompt, then output.</summary>
    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(tokens)[..count];

    /// <summary>The same, then what is guessed to follow in this iteration.</summary>
    public ReadOnlySpan<int> TokensAndDrafts => CollectionsMarshal.AsSpan(tokens);

    /// <summary>Tokens for which there is room without growing.</summary>
    public int Capacity => tokens.Capacity;

    public int PromptCount => Request.PromptTokens.Count;

    public int OutputCount => count - PromptCount;

    /// <summary>Tokens whose keys and values are in the cache.</summary>
    public int Computed { get; internal set; }

    /// <summary>Tokens still to run through the model before the next one can be drawn.</summary>
    public int Remaining => count - Computed;

    /// <summary>Whether its next step is one decode row; chunks otherwise.</summary>
    internal bool Decodes => States is null && Remaining == 1 && Computed > 0;

    /// <summary>Prompt tokens that the first admission found in the cache.</summary>
    public int CachedTokens { get; internal set; }

    /// <summary>Whether it was admitted at least once: preempted sequences wait, but no longer count as queued requests.</summary>
    public bool WasAdmitted { get; internal set; }

    /// <summary>When the first iteration after its first token began; null before.</summary>
    internal TimeSpan? Continued { get; set; }

    /// <summary>Guesses what follows; null where nothing is guessed.</summary>
    internal PromptLookup? Lookup { get; set; }

    /// <summary>Whose it is; null before it was queued.</summary>
    internal TenantLine? Tenant { get; set; }

    /// <summary>Before it in a <see cref="SequenceQueue"/>.</summary>
    internal Sequence? Previous { get; set; }

    /// <summary>After it in a <see cref="SequenceQueue"/>.</summary>
    internal Sequence? Next { get; set; }

    /// <summary>Why it ended; null before.</summary>
    public FinishReason? Finish { get; private set; }

    /// <summary>What failed, for <see cref="FinishReason.Error"/>.</summary>
    public string? Error { get; private set; }

    public bool CancelRequested => cancelRequested;

    /// <summary>What it ends as once that is requested.</summary>
    internal FinishReason DroppedAs => isWhole ? FinishReason.Stop : FinishReason.Cancelled;

    /// <summary>Notes that a token waits for the reader.</summary>
    internal void Written() => Interlocked.Increment(ref unread);

    /// <summary>Notes that the reader took a token. Thread safe.</summary>
    /// <returns>Whether so few wait now that it goes on, if it was held.</returns>
    internal bool Taken() => Interlocked.Decrement(ref unread) == MostUnread / 2;

    /// <summary>Looks how far the reader is. Time that it was behind is none that its tokens took.</summary>
    internal void Look(TimeSpan now)
    {
        int waiting = Volatile.Read(ref unread);
        if (!IsHeld && waiting >= MostUnread)
            (IsHeld, heldSince) = (true, now);
        else if (IsHeld && waiting <= MostUnread / 2)
            (IsHeld, WasHeld, Continued) = (false, true, Continued + (now - heldSince));
    }

    /// <summary>Whether its next token is the first after it was held, for whoever measures. They set it back.</summary>
    internal bool WasHeld { get; set; }

    /// <summary>Asks the scheduler to drop the sequence before its next iteration. Thread safe; harmless after the end.</summary>
    public void RequestCancel() => cancelRequested = true;

    /// <summary>The same where the reader has all that it wants: it counts as stopped, not as cancelled.</summary>
    public void RequestStop() => isWhole = cancelRequested = true;

    /// <summary>Milliseconds that its next token may take so that its tokens after the first still take so many each, on the mean.</summary>
    /// <param name="perToken">So many; infinite without an objective.</param>
    /// <param name="now">On the clock of <see cref="Arrived"/>.</param>
    internal double Allowance(double perToken, TimeSpan now) =>
        Continued is { } since && double.IsFinite(perToken) ? (perToken * OutputCount) - (now - since).TotalMilliseconds : perToken;

    internal void End(FinishReason reason, string? error = null)
    {
        (State, Finish, Error) = (SequenceState.Ended, reason, error);
    }

    /// <summary>Takes over a token that was drawn.</summary>
    internal void Append(int token)
    {
        DropDrafts();
        tokens.Add(token);
        count++;
    }

    internal void Draft(int token) => tokens.Add(token);

    internal void DropDrafts() => CollectionsMarshal.SetCount(tokens, count);
}
