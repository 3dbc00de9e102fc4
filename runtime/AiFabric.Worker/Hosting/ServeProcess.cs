using System.Runtime.InteropServices;
using AiFabric.Worker.CommandLine;

namespace AiFabric.Worker.Hosting;

/// <summary>The process around a worker: signals in, exit code out.</summary>
internal static class ServeProcess
{
    // Long enough for a probe to read the reason from /ready before the process is gone.
    private static readonly TimeSpan FailureGrace = TimeSpan.FromSeconds(2);

    /// <summary>Serves until SIGTERM or SIGINT, or until loading fails.</summary>
    /// <exception cref="UsageException">The worker cannot be started as asked.</exception>
    public static async Task<int> RunAsync(ServeOptions options, ModelLoader loader, TextWriter errors, CancellationToken cancellationToken)
    {
        var signalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var cancelled = cancellationToken.Register(() => signalled.TrySetResult());

        await using var host = await WorkerHost.StartAsync(options, loader, TimeProvider.System, cancellationToken);
        await Task.WhenAny(host.Loaded, signalled.Task);
        if (host.Loaded.IsFaulted)
        {
            var cause = host.Loaded.Exception.InnerException ?? host.Loaded.Exception;
            await errors.WriteLineAsync($"aifabric-worker: cannot serve {options.Model}: {WorkerCommand.OneLine(cause.Message)}");
            await Task.WhenAny(signalled.Task, Task.Delay(FailureGrace, CancellationToken.None));
            return WorkerCommand.IsBadInput(cause) ? WorkerCommand.BadInput : WorkerCommand.Failed;
        }
        await signalled.Task;
        await host.StopAsync(CancellationToken.None);
        return WorkerCommand.Done;

        void OnSignal(PosixSignalContext context)
        {
            // The runtime would end the process at once.
            context.Cancel = true;
            signalled.TrySetResult();
        }
    }
}
