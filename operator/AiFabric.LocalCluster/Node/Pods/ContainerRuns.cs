using AiFabric.LocalCluster.Node.Containers;
using AiFabric.LocalCluster.Node.Logs;
using AiFabric.LocalCluster.Node.Probes;
using k8s.Models;

namespace AiFabric.LocalCluster.Node.Pods;

/// <summary>Carries out the planner's decisions on one container, and finds out what became of its process. Returns the container's new record.</summary>
internal sealed class ContainerRuns(PodHost host, PodFolder folder)
{
    private const int KilledExitCode = 137;
    private static readonly TimeSpan MaxBlocked = TimeSpan.FromSeconds(30);

    public static ContainerHandle? Handle(ContainerRecord container) => container.Process is { } process ? new ContainerHandle(process) : null;

    public static V1Container Find(V1Pod pod, string name) =>
        pod.Spec.Containers.Concat(pod.Spec.InitContainers ?? []).First(c => c.Name == name);

    /// <summary>Whether it still runs, and if not, how it ended.</summary>
    public ContainerRecord Observe(PodRecord pod, ContainerRecord container, DateTimeOffset now)
    {
        if (!container.Running)
        {
            return container;
        }

        RunFolder run = folder.Run(container.Name, container.Starts);
        if (container.Process is null && run.Leader() is { } leader)
        {
            // The node died between starting the process and writing its number down.
            container = container with { Process = ProcessIdentity.Of(leader) };
        }

        if (container.Process is { Main: 0 } && run.Main() is { } main)
        {
            container = container with { Process = container.Process with { Main = main } };
        }

        if (run.Exit() is null && container.Process?.IsAlive() == true)
        {
            return container;
        }

        (int code, DateTimeOffset at) = run.Exit() ?? (KilledExitCode, now); // the supervisor itself was killed, so nobody wrote the code
        Handle(container)?.Kill(); // a container ends with its first process: whatever that left behind ends too
        DateTimeOffset startedAt = container.StartedAt ?? at;
        string? message = code != 0 && container.LogIsMessage ? TerminationMessage.Read(run) : null;
        Log.ContainerEnded(host.Logger, pod.Namespace, pod.Name, container.Name, code);
        return container with
        {
            Ended = new Termination(code, code == 0 ? "Completed" : "Error", message, startedAt, at, container.Process?.ContainerId),
            Failures = host.Backoff.Count(container.Failures, at - startedAt),
        };
    }

    /// <param name="pod">The pod.</param>
    /// <param name="record">Its record.</param>
    /// <param name="container">The container to start.</param>
    /// <param name="now">The time.</param>
    /// <param name="intend">Stores the record that says "about to start", so that a crash in between loses no process.</param>
    public ContainerRecord Start(V1Pod pod, PodRecord record, ContainerRecord container, DateTimeOffset now, Action<ContainerRecord> intend)
    {
        V1Container spec = Find(pod, container.Name);
        if (ImageCatalog.CommandLine(spec, host.Options.Images) is not { } commandLine)
        {
            string message = ImageCatalog.Unknown(spec.Image);
            return Blocked(pod, container, container.BlockedCount == 0 ? ContainerStarter.NoImage : ContainerStarter.ImageBackOff, message, now);
        }

        int run = container.Starts + 1;
        try
        {
            LaunchRequest request = ContainerStarter.Prepare(host, pod, spec, commandLine, folder, record, run);
            ContainerRecord started = container with
            {
                Starts = run,
                Process = null,
                StartedAt = now,
                LogIsMessage = TerminationMessage.IsWanted(spec),
                Ended = null,
                Previous = container.Ended ?? container.Previous,
                BlockedReason = null,
                BlockedMessage = null,
                BlockedCount = 0,
                RetryAt = null,
                StopReason = null,
                KillAt = null,
            };
            folder.ForgetOldRuns(container.Name, run);
            intend(started);
            ProcessIdentity process = Launcher.Start(request);
            Log.ContainerStarted(host.Logger, record.Namespace, record.Name, container.Name, process.Leader);
            if (container.Failures > 1)
            {
                host.Events.Warning(pod, "BackOff", $"Back-off restarting failed container {container.Name} in pod {pod.Metadata.Name}_{pod.Metadata.NamespaceProperty}({pod.Metadata.Uid})", container.Name);
            }

            host.Events.Normal(pod, "Started", $"Started container {container.Name}", container.Name);
            return started with { Process = process };
        }
        catch (ConfigException problem)
        {
            return Blocked(pod, container, ContainerStarter.ConfigError, problem.Message, now);
        }
    }

    /// <summary>Runs the preStop hook, if any, then asks the processes to end; the planner kills them when the grace period is over.</summary>
    public ContainerRecord Stop(V1Pod pod, ContainerRecord container, PodAction.Stop stop, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (Handle(container) is not { } handle)
        {
            return container; // its process is being found out; asked again at the next step
        }

        string why = stop.Reason == "Unhealthy" ? $"Container {container.Name} {stop.Message}, will be restarted" : stop.Message;
        host.Events.Normal(pod, "Killing", why, container.Name);
        V1Container spec = Find(pod, container.Name);
        if (stop.Grace <= TimeSpan.Zero)
        {
            handle.Kill();
        }
        else if (spec.Lifecycle?.PreStop is { } hook)
        {
            var target = new ProbeTarget(pod.Status?.PodIP ?? "", spec, handle);
            _ = Task.Run(() => HookThenTerminateAsync(pod, container.Name, hook, target, stop.Grace, cancellationToken), CancellationToken.None);
        }
        else
        {
            handle.Terminate();
        }

        return container with { StopReason = stop.Reason, KillAt = now + stop.Grace };
    }

    private async Task HookThenTerminateAsync(
        V1Pod pod, string container, V1LifecycleHandler hook, ProbeTarget target, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            if (await host.Probes.RunHookAsync(hook, target, timeout, cancellationToken) is { } failure)
            {
                host.Events.Warning(pod, "FailedPreStopHook", $"PreStopHook failed: {failure}", container);
            }
        }
        catch (OperationCanceledException)
        {
            // The pod was forced away meanwhile.
        }

        target.Handle.Terminate();
    }

    private ContainerRecord Blocked(V1Pod pod, ContainerRecord container, string reason, string message, DateTimeOffset now)
    {
        if (container.BlockedReason != reason || container.BlockedMessage != message)
        {
            host.Events.Warning(pod, "Failed", $"Error: {message}", container.Name);
        }

        double factor = Math.Pow(2, Math.Min(container.BlockedCount, 10));
        TimeSpan delay = host.Backoff.Base * factor;
        return container with
        {
            BlockedReason = reason,
            BlockedMessage = message,
            BlockedCount = container.BlockedCount + 1,
            RetryAt = now + (delay < MaxBlocked ? delay : MaxBlocked),
        };
    }
}
