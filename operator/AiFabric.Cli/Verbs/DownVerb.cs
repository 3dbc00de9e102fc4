using System.CommandLine;
using AiFabric.Cli.Fabric;
using Spectre.Console;

namespace AiFabric.Cli.Verbs;

/// <summary><c>aifabric down</c>: stops the local fabric; its state stays unless purged.</summary>
internal static class DownVerb
{
    public static Command Create()
    {
        Option<string> dataDir = SharedOptions.DataDir();
        var purge = new Option<bool>("--purge") { Description = "Deletes the fabric's state as well: resources, adapters, checkpoints." };
        var command = new Command("down", "Stops the local fabric.") { dataDir, purge };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var paths = new FabricPaths(Path.GetFullPath(parsed.GetRequiredValue(dataDir)));
            bool ran = await new LocalFabric(paths, FabricPorts.Default, TimeProvider.System).StopAsync(cancellationToken);
            AnsiConsole.WriteLine(ran ? "stopped" : "nothing was running");
            if (parsed.GetValue(purge))
                paths.Purge();
            return 0;
        });
        return command;
    }
}
