using AiFabric.LocalCluster.Controllers;
using AiFabric.LocalCluster.Node.Probes;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>One step of a pod's life.</summary>
internal abstract record PodAction
{
    internal sealed record Start(string Container) : PodAction;

    internal sealed record Stop(string Container, string Reason, string Message, TimeSpan Grace) : PodAction;

    internal sealed record Kill(string Container) : PodAction;

    internal sealed record GiveUp(string Reason, string Message) : PodAction;

    internal sealed record ConfirmDeletion : PodAction;
}

/// <summary>Decides a pod's next steps by a kubelet's rules.</summary>
internal static class PodPlanner
{
    /// <param name="pod">The pod as the API has it.</param>
    /// <param name="record">Its containers as the node knows them.</param>
    /// <param name="probes">What the probes say of a container.</param>
    /// <param name="backoff">Restart delays.</param>
    /// <param name="draining">The node itself is stopping its pods.</param>
    /// <param name="now">The time.</param>
    public static IReadOnlyList<PodAction> Plan(
        V1Pod pod, PodRecord record, Func<string, ProbeVerdict> probes, RestartBackoff backoff, bool draining, DateTimeOffset now)
    {
        bool deleting = pod.Metadata.DeletionTimestamp is not null;
        List<PodAction> actions = [.. Overdue(pod, record, now)];
        if (deleting || draining || record.FailedReason is not null)
        {
            actions.AddRange(StopAll(record, "Killing", Grace(pod)));
            if (deleting && !record.Containers.Values.Any(c => c.Running))
            {
                actions.Add(new PodAction.ConfirmDeletion());
            }

            return actions;
        }

        if (pod.Spec.ActiveDeadlineSeconds is { } seconds && now >= record.StartTime + TimeSpan.FromSeconds(seconds)
            && PodStatus.Phase(pod, record) is "Pending" or "Running")
        {
            actions.Add(new PodAction.GiveUp("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"));
            return actions;
        }

        PodAction? init = Initialise(pod, record, backoff, now, out bool initialised);
        if (init is not null)
        {
            actions.Add(init);
        }

        if (initialised)
        {
            actions.AddRange(pod.Spec.Containers.Select(c => Next(pod, record.Container(c.Name), probes(c.Name), backoff, now)).OfType<PodAction>());
        }

        return actions;
    }

    /// <summary>Whether a container that ended is to be started again.</summary>
    public static bool Restarts(V1Pod pod, Termination ended) => pod.Spec.RestartPolicy switch
    {
        "Never" => false,
        "OnFailure" => ended.ExitCode != 0,
        _ => true,
    };

    private static TimeSpan Grace(V1Pod pod) =>
        TimeSpan.FromSeconds(pod.Metadata.DeletionGracePeriodSeconds ?? pod.Spec.TerminationGracePeriodSeconds ?? 30);

    private static IEnumerable<PodAction> Overdue(V1Pod pod, PodRecord record, DateTimeOffset now)
    {
        // A second deletion may have shortened the grace period; the timestamp is its end, in whole seconds.
        DateTimeOffset? deadline = WireTime.Read(pod.Metadata.DeletionTimestamp) + TimeSpan.FromSeconds(1);
        return record.Containers.Values
            .Where(c => c.Running && c.StopReason is not null && (now >= c.KillAt || now >= deadline))
            .Select(c => new PodAction.Kill(c.Name));
    }

    private static IEnumerable<PodAction> StopAll(PodRecord record, string reason, TimeSpan grace) => record.Containers.Values
        .Where(c => c.Running && c.StopReason is null)
        .Select(c => new PodAction.Stop(c.Name, reason, $"Stopping container {c.Name}", grace));

    private static PodAction.Start? Initialise(V1Pod pod, PodRecord record, RestartBackoff backoff, DateTimeOffset now, out bool initialised)
    {
        initialised = false;
        foreach (V1Container container in pod.Spec.InitContainers ?? [])
        {
            ContainerRecord known = record.Container(container.Name);
            if (known.Ended is { ExitCode: 0 })
            {
                continue;
            }

            bool hopeless = known.Ended is not null && pod.Spec.RestartPolicy == "Never";
            return known.Running || hopeless ? null : StartWhenDue(known, backoff, now);
        }

        initialised = true;
        return null;
    }

    private static PodAction? Next(V1Pod pod, ContainerRecord container, ProbeVerdict probe, RestartBackoff backoff, DateTimeOffset now)
    {
        if (container.Running)
        {
            return probe.Failure is { } failure && container.StopReason is null
                ? new PodAction.Stop(container.Name, "Unhealthy", failure, TimeSpan.FromSeconds(pod.Spec.TerminationGracePeriodSeconds ?? 30))
                : null;
        }

        return container.Ended is null || Restarts(pod, container.Ended) ? StartWhenDue(container, backoff, now) : null;
    }

    private static PodAction.Start? StartWhenDue(ContainerRecord container, RestartBackoff backoff, DateTimeOffset now)
    {
        DateTimeOffset? due = container.Ended is { } ended ? ended.FinishedAt + backoff.Delay(container.Failures) : null;
        return now < due || now < container.RetryAt ? null : new PodAction.Start(container.Name);
    }
}
