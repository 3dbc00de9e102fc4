using System.CommandLine;
using AiFabric.Engine.Weights;
using AiFabric.Worker.Backend;
using AiFabric.Worker.Hosting;
using AiFabric.Worker.Storage;

namespace AiFabric.Worker.CommandLine;

/// <summary><c>aifabric-worker</c>: parses, runs and turns expected failures into one line and an exit code.</summary>
internal static class WorkerCommand
{
    /// <summary>Ended as asked.</summary>
    public const int Done = 0;

    /// <summary>Failed though the input was fine.</summary>
    public const int Failed = 1;

    /// <summary>Bad usage, or a model that cannot be served.</summary>
    public const int BadInput = 2;

    /// <param name="arguments">The command line.</param>
    /// <param name="environment">Looks a variable up.</param>
    /// <param name="errors">Takes the one line.</param>
    public static async Task<int> RunAsync(string[] arguments, Func<string, string?> environment, TextWriter errors)
    {
        var root = new RootCommand("The pod executable of AiFabric.")
        {
            ServeCommand.Create(environment, (options, cancellationToken) => ServeProcess.RunAsync(options, EngineBackend.LoadAsync, errors, cancellationToken)),
        };
        var parsed = root.Parse(arguments);
        try
        {
            if (parsed.Errors.Count > 0)
                throw new UsageException($"{parsed.Errors[0].Message} (see --help)");
            // Signals are ours: System.CommandLine would end the process before streams are drained.
            return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, CancellationToken.None);
        }
        catch (Exception e) when (IsBadInput(e))
        {
            await errors.WriteLineAsync($"aifabric-worker: {OneLine(e.Message)}");
            return BadInput;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await errors.WriteLineAsync($"aifabric-worker: {OneLine(e.Message)}");
            return Failed;
        }
    }

    /// <summary>Whether a failure is the input's fault, so that its message says all there is to say.</summary>
    public static bool IsBadInput(Exception e) => e is UsageException or StorageException or CheckpointException or ModelException;

    public static string OneLine(string message) => message.ReplaceLineEndings(" ");
}
