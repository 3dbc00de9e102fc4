using System.Diagnostics;
using System.Runtime.InteropServices;
using AiFabric.Cli.Interop;

namespace AiFabric.Cli.Fabric;

/// <summary>
/// Keeps one local cluster process running until told to stop. The cluster restarts pods; this restarts the cluster, which finds
/// its pods still running and takes them over.
/// </summary>
public sealed class Supervisor(FabricPaths paths, FabricPorts ports, IReadOnlyList<string> clusterArguments, ProcessMark? companion, TimeProvider time)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Healthy = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan CompanionInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs until SIGTERM or SIGINT, or until its companion has ended, then stops the cluster, which stops its pods.</summary>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Action<PosixSignalContext> end = context =>
        {
            context.Cancel = true;
            stop.Cancel();
        };
        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, end);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, end);
        paths.RecordSupervisor(ports);
        Task following = FollowAsync(stop);
        try
        {
            TimeSpan delay = FirstDelay;
            while (!stop.IsCancellationRequested)
            {
                long started = time.GetTimestamp();
                await RunClusterAsync(stop.Token);
                delay = time.GetElapsedTime(started) > Healthy ? FirstDelay : TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, LongestDelay.Ticks));
                if (!stop.IsCancellationRequested)
                    await Task.Delay(delay, time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await following;
            return 0;
        }
        finally
        {
            paths.ForgetSupervisor();
        }
    }

    /// <summary>Stops everything once the companion has ended, for that cannot say so itself when it is killed.</summary>
    private async Task FollowAsync(CancellationTokenSource stop)
    {
        if (companion is null)
            return;
        while (companion.IsRunning() && !stop.IsCancellationRequested)
            await Task.Delay(CompanionInterval, time, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await stop.CancelAsync();
    }

    private async Task RunClusterAsync(CancellationToken stop)
    {
        using var cluster = Process.Start(new ProcessStartInfo(Components.Find(Components.LocalCluster), clusterArguments) { UseShellExecute = false })
            ?? throw new CliException("the local cluster did not start");
        await cluster.WaitForExitAsync(stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (cluster.HasExited)
        {
            await Console.Error.WriteLineAsync($"the local cluster ended with {cluster.ExitCode}; starting it again");
            return;
        }

        Signals.Terminate(cluster.Id);
        await cluster.WaitForExitAsync(CancellationToken.None);
    }
}
