using System.CommandLine;
using AiFabric.Cli;
using AiFabric.Cli.Verbs;
using AiFabric.Kube;
using Spectre.Console;

var root = new RootCommand("Serves, finetunes and chats with models on Kubernetes, or on a fabric of its own on this machine.")
{
    UpVerb.Create(),
    DownVerb.Create(),
    SuperviseVerb.Create(),
    ApplyVerb.Create(),
    GetVerb.Create(),
    ChatVerb.Create(),
    FinetuneVerb.Create(),
    DemoVerb.Create(),
};

// Lines for a file or a pipe are not wrapped.
if (Console.IsOutputRedirected)
    AnsiConsole.Profile.Width = 10_000;

try
{
    ParseResult parsed = root.Parse(args);
    return await parsed.InvokeAsync(new InvocationConfiguration
    {
        EnableDefaultExceptionHandler = false,
        // What a verb may take to end after SIGINT or SIGTERM before it is forced out. Pods get 45 s; the supervisor handles its own signals.
        ProcessTerminationTimeout = parsed.CommandResult.Command.Name switch
        {
            "supervise" => null,
            "demo" => TimeSpan.FromMinutes(3),
            _ => TimeSpan.FromSeconds(2),
        },
    });
}
catch (OperationCanceledException)
{
    return 130;
}
catch (Exception e) when (e is CliException or KubernetesApiException or HttpRequestException or IOException or UnauthorizedAccessException)
{
    // One line, as every kubectl user expects; what is not listed here is a bug and keeps its stack trace.
    await Console.Error.WriteLineAsync($"error: {e.Message}");
    return 1;
}
