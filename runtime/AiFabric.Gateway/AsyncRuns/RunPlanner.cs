namespace AiFabric.Gateway.AsyncRuns;

/// <summary>What a replica does about a run in the list of open ones.</summary>
public enum RunStep
{
    /// <summary>Nothing: it is somebody else's, or there is no room for it now.</summary>
    Leave,

    /// <summary>Take its lease and run it.</summary>
    Claim,

    /// <summary>Its time is over.</summary>
    Expire,

    /// <summary>It took down, or lost, too many gateways.</summary>
    GiveUp,

    /// <summary>It has ended, and whoever ended it did not tell or close it.</summary>
    Settle,

    /// <summary>The name was left over by a gateway that was killed while it added or deleted the run.</summary>
    Drop,
}

/// <summary>Decides about runs. Pure.</summary>
public static class RunPlanner
{
    /// <param name="run">As it was read; null when there is none.</param>
    /// <param name="leftOver">Whether its name is too old for a run that is being added.</param>
    /// <param name="now">Unix milliseconds.</param>
    /// <param name="hasRoom">Whether this replica may run one more.</param>
    /// <param name="options">Bounds.</param>
    public static RunStep Decide(RunRecord? run, bool leftOver, long now, bool hasRoom, RunOptions options) => run switch
    {
        null => leftOver ? RunStep.Drop : RunStep.Leave,
        // Whoever ended it is at that.
        { HasEnded: true } => now - (run.EndedAt * 1_000) > options.Lease.TotalMilliseconds ? RunStep.Settle : RunStep.Leave,
        _ when run.IsLeased(now) => RunStep.Leave,
        _ when now >= run.DeadlineAt * 1_000 => RunStep.Expire,
        _ when run.Attempts - run.Releases >= options.RunAttempts => RunStep.GiveUp,
        _ => hasRoom ? RunStep.Claim : RunStep.Leave,
    };
}
