namespace AiFabric.Engine.Scheduling;

/// <summary>One tenant: its requests that were never admitted, and the service it got.</summary>
/// <param name="name">Its name; empty for requests without one.</param>
internal sealed class TenantLine(string name)
{
    public string Name { get; } = name;

    public SequenceQueue Queue { get; } = new();

    /// <summary>Service received, in weighted tokens; only differences between tenants mean anything.</summary>
    public long Service { get; set; }

    /// <summary>Its sequences that have not ended.</summary>
    public int Alive { get; set; }
}
