using System.Runtime.InteropServices;
using AiFabric.Worker.CommandLine;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.Hosting;

/// <summary>The process around a worker: signals in, exit code out.</summary>
internal static class ServeProcess
{
    // Long enough for a probe to read the reason from /ready before the process is gone.
    private static readonly TimeSpan FailureGrace = TimeSpan.FromSeconds(2);

    /// <summary>Serves until SIGTERM or SIGINT, or until loading fails or the engine dies.</summary>
    /// <exception cref="UsageException">The worker cannot be started as asked.</exception>
    public static async Task<int> RunAsync(ServeOptions options, ModelLoader loader, TextWriter errors, CancellationToken cancellationToken)
    {
        if (await ServeAsync(options, loader, cancellationToken) is not { } cause)
            return WorkerCommand.Done;
        // After the host's own last words: the last line of a failed container's log is taken for the reason.
        await errors.WriteLineAsync($"aifabric-worker: cannot serve {StorageUri.WithoutQuery(options.Model)}: {WorkerCommand.OneLine(cause.Message)}");
        return WorkerCommand.IsBadInput(cause) ? WorkerCommand.BadInput : WorkerCommand.Failed;
    }

    /// <returns>Why there is nothing to serve with; null after a signal.</returns>
    private static async Task<Exception?> ServeAsync(ServeOptions options, ModelLoader loader, CancellationToken cancellationToken)
    {
        var signalled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var hurry = new CancellationTokenSource();
        bool routedTo = false;
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var cancelled = cancellationToken.Register(() => signalled.TrySetResult());

        await using var host = await WorkerHost.StartAsync(options, loader, TimeProvider.System, cancellationToken);
        await Task.WhenAny(host.State.Failed, signalled.Task);
        if (host.State.Failed.IsCompleted)
        {
            await Task.WhenAny(signalled.Task, Task.Delay(FailureGrace, CancellationToken.None));
            return await host.State.Failed;
        }
        if (routedTo)
            await host.LingerAsync(hurry.Token);
        await host.StopAsync(CancellationToken.None);
        return null;

        void OnSignal(PosixSignalContext context)
        {
            // The runtime would end the process at once.
            context.Cancel = true;
            // Kubernetes sends SIGTERM; who presses Ctrl-C, or asks twice, does not want to wait for routers.
            if (context.Signal == PosixSignal.SIGTERM && !signalled.Task.IsCompleted)
                routedTo = true;
            else
                hurry.Cancel();
            signalled.TrySetResult();
        }
    }
}
