using System.CommandLine;
using AiFabric.Cli.Fabric;

namespace AiFabric.Cli.Verbs;

/// <summary>What <c>up</c> leaves running: keeps the local cluster's process alive.</summary>
internal static class SuperviseVerb
{
    public static Command Create()
    {
        Option<string> dataDir = SharedOptions.DataDir();
        Option<int> port = UpVerb.Port(), gatewayPort = UpVerb.GatewayPort();
        var companion = new Option<string?>("--with-process") { Description = "Process number and start ticks, as \"NUMBER START\": the fabric ends with this process." };
        var command = new Command("supervise", "Keeps the local cluster's process running.") { dataDir, port, gatewayPort, companion };
        command.Hidden = true;
        command.SetAction((parsed, cancellationToken) =>
        {
            var paths = new FabricPaths(parsed.GetRequiredValue(dataDir));
            var ports = new FabricPorts(parsed.GetRequiredValue(port), parsed.GetRequiredValue(gatewayPort));
            var fabric = new LocalFabric(paths, ports, TimeProvider.System);
            return new Supervisor(paths, ports, fabric.ClusterArguments(), Companion(parsed.GetValue(companion)), TimeProvider.System).RunAsync(cancellationToken);
        });
        return command;
    }

    private static ProcessMark? Companion(string? text) => text is null
        ? null
        : ProcessMark.Parse(text) ?? throw new CliException($"--with-process is '{text}'; it must be a process number and its start ticks, such as '1234 567890'");
}
