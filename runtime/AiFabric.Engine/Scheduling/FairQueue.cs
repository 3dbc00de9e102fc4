namespace AiFabric.Engine.Scheduling;

/// <summary>
/// Who is admitted next: the tenant that got the least service so far, and among its own requests the most urgent, then the oldest. A tenant
/// that was away catches up with the least served of those that wait, so that idling saves nothing up. A tenant's share does not depend on how
/// many requests it sends, nor on the priorities it gives them.
/// </summary>
/// <remarks>Source: the virtual token counter of Sheng et al., "Fairness in Serving Large Language Models", OSDI 2024 (arXiv 2401.00588).</remarks>
internal sealed class FairQueue
{
    // The paper's weights: a generated token costs about as much as two of a prompt.
    private const int PromptWeight = 1;
    private const int OutputWeight = 2;
    private const int KeptTenants = 64;

    private readonly Dictionary<string, TenantLine> tenants = new(StringComparer.Ordinal);
    private readonly List<TenantLine> waiting = [];
    private TenantLine? lastToLeave;
    private int sweepAt = KeptTenants;

    /// <summary>Sequences that wait.</summary>
    public int Count { get; private set; }

    /// <summary>Tokens of the sequences that wait.</summary>
    public long Tokens { get; private set; }

    /// <summary>Tenants remembered, those without requests included.</summary>
    public int Tenants => tenants.Count;

    /// <summary>Queues a new sequence.</summary>
    public void Add(Sequence sequence)
    {
        var tenant = TenantOf(sequence.Request.Tenant ?? "");
        tenant.Alive++;
        sequence.Tenant = tenant;
        if (tenant.Queue.Count == 0)
        {
            tenant.Service = Math.Max(tenant.Service, Least());
            waiting.Add(tenant);
        }
        tenant.Queue.Add(sequence);
        Count++;
        Tokens += sequence.Tokens.Length;
    }

    /// <summary>The sequence to admit next; null when none waits.</summary>
    public Sequence? Peek()
    {
        TenantLine? least = null;
        // Equals in the order in which they began to wait.
        foreach (var tenant in waiting)
        {
            if (least is null || tenant.Service < least.Service)
                least = tenant;
        }
        return least?.Queue.First;
    }

    /// <summary>Takes a sequence out: it is admitted, or ends.</summary>
    public void Remove(Sequence sequence)
    {
        var tenant = sequence.Tenant!; // Set when it was added.
        tenant.Queue.Remove(sequence);
        Count--;
        Tokens -= sequence.Tokens.Length;
        if (tenant.Queue.Count > 0)
            return;
        waiting.Remove(tenant);
        lastToLeave = tenant;
    }

    /// <summary>The first of the waiting sequences; the others follow by <see cref="After"/>.</summary>
    public Sequence? First => waiting.Count == 0 ? null : waiting[0].Queue.First;

    /// <summary>The sequence after one that waits, in no order that means anything.</summary>
    public Sequence? After(Sequence sequence)
    {
        if (sequence.Next is { } next)
            return next;
        int following = waiting.IndexOf(sequence.Tenant!) + 1; // Set when it was added.
        return following < waiting.Count ? waiting[following].Queue.First : null;
    }

    /// <summary>Notes prompt tokens that are computed for a tenant. What the cache serves costs nothing.</summary>
    public static void ChargePrompt(Sequence sequence, int tokens) => sequence.Tenant!.Service += PromptWeight * (long)tokens;

    /// <summary>Notes a generated token.</summary>
    public static void ChargeOutput(Sequence sequence) => sequence.Tenant!.Service += OutputWeight;

    /// <summary>Notes that a sequence ended.</summary>
    public static void Ended(Sequence sequence)
    {
        if (sequence.Tenant is { } tenant)
            tenant.Alive--;
    }

    private TenantLine TenantOf(string name)
    {
        if (tenants.TryGetValue(name, out var known))
            return known;
        if (tenants.Count >= sweepAt)
            Sweep();
        return tenants[name] = new TenantLine(name);
    }

    // Who has nothing here and would be lifted on return anyway need not be remembered.
    private void Sweep()
    {
        long least = Least();
        foreach (var (name, tenant) in tenants)
        {
            if (tenant.Alive == 0 && tenant.Service <= least && tenant != lastToLeave)
                tenants.Remove(name);
        }
        sweepAt = Math.Max(KeptTenants, tenants.Count * 2);
    }

    private long Least()
    {
        if (waiting.Count == 0)
            return lastToLeave?.Service ?? 0;
        long least = long.MaxValue;
        foreach (var tenant in waiting)
            least = Math.Min(least, tenant.Service);
        return least;
    }
}
