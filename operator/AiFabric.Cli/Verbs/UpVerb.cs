using System.CommandLine;
using AiFabric.Cli.Fabric;
using Spectre.Console;

namespace AiFabric.Cli.Verbs;

/// <summary><c>aifabric up</c>: local cluster, operator and gateway in one go.</summary>
internal static class UpVerb
{
    public static Option<int> Port() => new("--port")
    {
        Description = "Port of the Kubernetes API on loopback.",
        DefaultValueFactory = _ => FabricPorts.Default.Api,
    };

    public static Option<int> GatewayPort() => new("--gateway-port")
    {
        Description = "Port of the gateway on loopback.",
        DefaultValueFactory = _ => FabricPorts.Default.Gateway,
    };

    public static Command Create()
    {
        Option<string> dataDir = SharedOptions.DataDir();
        Option<int> port = Port(), gatewayPort = GatewayPort();
        var command = new Command("up", "Starts a fabric on this machine: a small Kubernetes API server, the operator and the gateway.") { dataDir, port, gatewayPort };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var paths = new FabricPaths(Path.GetFullPath(parsed.GetRequiredValue(dataDir)));
            var ports = FabricPorts.Choose(paths.RunningPorts(), Named(parsed, port), Named(parsed, gatewayPort));
            var fabric = new LocalFabric(paths, ports, TimeProvider.System);
            if (!fabric.StartSupervisor())
                AnsiConsole.WriteLine("already running");
            await fabric.DeployAsync(AnsiConsole.WriteLine, cancellationToken);
            AnsiConsole.WriteLine();
            AnsiConsole.WriteLine($"export KUBECONFIG={(paths.Kubeconfig.Contains(' ', StringComparison.Ordinal) ? $"'{paths.Kubeconfig}'" : paths.Kubeconfig)}");
            AnsiConsole.WriteLine($"OpenAI base URL: {new Uri(fabric.GatewayUri, "/v1")}");
            return 0;
        });
        return command;
    }

    /// <summary>The option's value; null when the command line does not name it.</summary>
    private static int? Named(ParseResult parsed, Option<int> option) =>
        parsed.GetResult(option) is { Implicit: false } ? parsed.GetRequiredValue(option) : null;
}
