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
    return await root.Parse(args).InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
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
