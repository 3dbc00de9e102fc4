using System.Collections.Immutable;
using AiFabric.LocalCluster.Node.Containers;

namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>What the node knows of a pod and keeps on disk, so that a later run of the node can adopt its processes.</summary>
internal sealed record PodRecord
{
    public required string Uid { get; init; }

    public required string Namespace { get; init; }

    public required string Name { get; init; }

    /// <summary>The pod's own loopback address.</summary>
    public required string Ip { get; init; }

    public DateTimeOffset StartTime { get; init; }

    /// <summary>Why the node gave the pod up as a whole, such as DeadlineExceeded.</summary>
    public string? FailedReason { get; init; }

    public string? FailedMessage { get; init; }

    public ImmutableSortedDictionary<string, ContainerRecord> Containers { get; init; } = ImmutableSortedDictionary<string, ContainerRecord>.Empty;

    public ContainerRecord Container(string name) => Containers.TryGetValue(name, out ContainerRecord? found) ? found : new ContainerRecord { Name = name };

    public PodRecord With(ContainerRecord container) => this with { Containers = Containers.SetItem(container.Name, container) };
}

/// <summary>What the node knows of one container.</summary>
internal sealed record ContainerRecord
{
    public required string Name { get; init; }

    /// <summary>Processes started so far; the restart count is one less.</summary>
    public int Starts { get; init; }

    /// <summary>The latest run's process; null before the first start and in the instant between deciding and starting.</summary>
    public ProcessIdentity? Process { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>Whether the end of its log says why it failed.</summary>
    public bool LogIsMessage { get; init; }

    /// <summary>How the latest run ended; null while it runs.</summary>
    public Termination? Ended { get; init; }

    /// <summary>How the run before ended.</summary>
    public Termination? Previous { get; init; }

    /// <summary>Ends in a row without a healthy spell between.</summary>
    public int Failures { get; init; }

    /// <summary>Why it cannot be started, such as CreateContainerConfigError.</summary>
    public string? BlockedReason { get; init; }

    public string? BlockedMessage { get; init; }

    public int BlockedCount { get; init; }

    /// <summary>Not to be started before.</summary>
    public DateTimeOffset? RetryAt { get; init; }

    /// <summary>Set once it was told to stop.</summary>
    public string? StopReason { get; init; }

    /// <summary>When a stopping container is killed.</summary>
    public DateTimeOffset? KillAt { get; init; }

    public bool Running => Starts > 0 && Ended is null;
}

/// <summary>How a run ended.</summary>
internal sealed record Termination(int ExitCode, string Reason, string? Message, DateTimeOffset StartedAt, DateTimeOffset FinishedAt, string? ContainerId);
