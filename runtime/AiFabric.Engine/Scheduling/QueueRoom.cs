namespace AiFabric.Engine.Scheduling;

/// <summary>
/// The places for requests that wait. A tenant takes no more of them than are still free, so that others find room however many it sends: alone it gets
/// half, of two each gets a third. Requests without a tenant may take all. Thread safe.
/// </summary>
/// <param name="places">How many requests may wait.</param>
/// <remarks>Source: Choudhury and Hahne, "Dynamic queue length thresholds", IEEE/ACM Transactions on Networking 6(2), 1998.</remarks>
internal sealed class QueueRoom(int places)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, int> taken = new(StringComparer.Ordinal);
    private int all;

    /// <summary>Takes a place.</summary>
    /// <returns>False when none is free, or the tenant has its share.</returns>
    public bool TryEnter(string? tenant)
    {
        lock (gate)
        {
            int own = taken.GetValueOrDefault(tenant ?? "");
            if (all >= places || (tenant is not null && own >= places - all))
                return false;
            taken[tenant ?? ""] = own + 1;
            all++;
            return true;
        }
    }

    /// <summary>Gives a place back that was taken.</summary>
    public void Leave(string? tenant)
    {
        lock (gate)
        {
            int own = taken[tenant ?? ""] - 1;
            if (own == 0)
                taken.Remove(tenant ?? "");
            else
                taken[tenant ?? ""] = own;
            all--;
        }
    }
}
