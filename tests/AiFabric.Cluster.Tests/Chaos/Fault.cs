namespace AiFabric.Cluster.Tests.Chaos;

/// <summary>What is done to the fabric, and under which load.</summary>
/// <param name="Name">For the report.</param>
/// <param name="StrikeAsync">The fault, to its end if it lasts.</param>
internal sealed record Fault(string Name, Func<Ordeal, Task> StrikeAsync)
{
    /// <summary>Replicas of the model before.</summary>
    public int Replicas { get; init; } = ChaosFabric.Replicas;

    /// <summary>Replicas that the model has once all is well again; null for as many as before.</summary>
    public int? ReplicasAfter { get; init; }

    /// <summary>Streams that are open at the same time.</summary>
    public int Concurrency { get; init; } = 4;

    /// <summary>Takes away what the strike added on purpose.</summary>
    public Func<Task> TidyAsync { get; init; } = () => Task.CompletedTask;
}
