namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>How long a container that ended waits for its restart: not at all the first time, then a doubling delay.</summary>
internal sealed record RestartBackoff(TimeSpan Base, TimeSpan Max, TimeSpan ResetAfter)
{
    public TimeSpan Delay(int failures)
    {
        if (failures <= 1)
        {
            return TimeSpan.Zero;
        }

        TimeSpan delay = Base * Math.Pow(2, Math.Min(failures - 2, 30));
        return delay < Max ? delay : Max;
    }

    /// <summary>The failures in a row after one more end of a run of this length.</summary>
    public int Count(int failures, TimeSpan ranFor) => ranFor >= ResetAfter ? 1 : failures + 1;
}
