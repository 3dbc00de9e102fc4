using AiFabric.Gateway.Traffic;

namespace AiFabric.Gateway.Pipelines.Execution;

/// <summary>What the attempts at one call have in common. For one thread at a time.</summary>
public sealed class CallTries
{
    /// <summary>Uids of the workers or replicas that were tried.</summary>
    public HashSet<string> Failed { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether it was drawn who is asked.</summary>
    public bool HasDrawn { get; set; }

    /// <summary>The model's canary; null where it has none, or the call is none for it.</summary>
    public TrafficShare? Canary { get; set; }

    /// <summary>Whether the canary is asked.</summary>
    public bool AsksCanary { get; set; }

    /// <summary>Whether a piece was passed on: what the next attempt says is compared with it, so that the same side must be asked.</summary>
    public bool HasSpoken { get; set; }
}
