using System.CommandLine;
using System.Runtime.InteropServices;
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
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            // A closed terminal ends the demo as Ctrl-C does.
            using PosixSignalRegistration hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
            {
                context.Cancel = true;
                stop.Cancel();
            });
            await new DemoRun(parsed.GetRequiredValue(repository).FullName, TimeProvider.System, Say).RunAsync(stop.Token);
            AnsiConsole.WriteLine("demo: ok");
            return 0;
        });
        return command;
    }

    private static void Say(string text)
    {
        try
        {
            AnsiConsole.WriteLine(text);
        }
        catch (IOException)
        {
            // A closed terminal takes no text; the fabric is torn down all the same.
        }
    }
}
