using System.Globalization;

namespace AiFabric.Cli.Fabric;

/// <summary>The ports of a fabric on 127.0.0.1. As text: <c>API GATEWAY</c>.</summary>
/// <param name="Api">Port of the Kubernetes API.</param>
/// <param name="Gateway">Port of the gateway.</param>
public sealed record FabricPorts(int Api, int Gateway)
{
    public static FabricPorts Default { get; } = new(6443, 8080);

    /// <summary>Reads what <see cref="ToString"/> writes; null for anything else.</summary>
    public static FabricPorts? Parse(string text) =>
        text.Trim().Split(' ') is [var first, var second] && int.TryParse(first, CultureInfo.InvariantCulture, out int api)
            && int.TryParse(second, CultureInfo.InvariantCulture, out int gateway)
            ? new FabricPorts(api, gateway)
            : null;

    /// <summary>The ports to go on with: those of the running fabric, else those asked for, else the defaults.</summary>
    /// <param name="running">Those of the running fabric; null when none runs.</param>
    /// <param name="api">The port asked for; null when none was named.</param>
    /// <param name="gateway">The same of the gateway.</param>
    /// <exception cref="CliException">The running fabric has other ports than those asked for, or they are no two ports.</exception>
    public static FabricPorts Choose(FabricPorts? running, int? api, int? gateway)
    {
        if (running is null)
            return Valid(new FabricPorts(api ?? Default.Api, gateway ?? Default.Gateway));
        Refuse("--port", running.Api, api);
        Refuse("--gateway-port", running.Gateway, gateway);
        return running;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Api} {Gateway}");

    private static FabricPorts Valid(FabricPorts ports)
    {
        foreach ((string option, int port) in (ReadOnlySpan<(string, int)>)[("--port", ports.Api), ("--gateway-port", ports.Gateway)])
        {
            if (port is < 1 or > 65_535)
                throw new CliException($"{option} is {port}; it must be from 1 to 65535");
        }

        return ports.Api != ports.Gateway ? ports : throw new CliException($"--port and --gateway-port are both {ports.Api}; they must differ");
    }

    private static void Refuse(string option, int running, int? asked)
    {
        if (asked is { } port && port != running)
            throw new CliException($"the fabric runs with {option} {running}, not {port}; 'aifabric down' first");
    }
}
