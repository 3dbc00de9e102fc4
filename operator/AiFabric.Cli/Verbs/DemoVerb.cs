using System.CommandLine;
using AiFabric.Cli.Demo;
using Spectre.Console;

namespace AiFabric.Cli.Verbs;

/// <summary><c>aifabric demo</c>: the main job on a fabric of its own, torn down at the end.</summary>
internal static class DemoVerb
{
    public static Command Create()
    {
        var repository = new Option<DirectoryInfo>("--repository")
        {
            Description = "Checkout that holds samples/ and runtime/models/.",
            DefaultValueFactory = _ => new DirectoryInfo(Directory.GetCurrentDirectory()),
        };
        var command = new Command("demo", "Serves a model, finetunes it while it serves, and serves the adapter.") { repository };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await new DemoRun(parsed.GetRequiredValue(repository).FullName, TimeProvider.System, AnsiConsole.WriteLine).RunAsync(cancellationToken);
            AnsiConsole.WriteLine("demo: ok");
            return 0;
        });
        return command;
    }
}
