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
        var command = new Command("supervise", "Keeps the local cluster's process running.") { dataDir, port, gatewayPort };
        command.Hidden = true;
        command.SetAction((parsed, cancellationToken) =>
        {
            var paths = new FabricPaths(parsed.GetRequiredValue(dataDir));
            var ports = new FabricPorts(parsed.GetRequiredValue(port), parsed.GetRequiredValue(gatewayPort));
            var fabric = new LocalFabric(paths, ports, TimeProvider.System);
            return new Supervisor(paths, ports, fabric.ClusterArguments(), TimeProvider.System).RunAsync(cancellationToken);
        });
        return command;
    }
}
