using System.Net;
using System.Net.Sockets;
using AiFabric.Cli;
using AiFabric.Cli.Fabric;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class PortProbeTests
{
    private static readonly IPAddress Pod = IPAddress.Parse("127.209.255.254");

    [Fact]
    public void A_port_that_a_program_holds_on_all_addresses_is_refused_for_pods()
    {
        using TcpListener other = Listen(IPAddress.Any, out int port);
        Assert.Equal(
            $"port {port} is in use on all addresses by another program; the fabric's pods need it",
            Assert.Throws<CliException>(() => PortProbe.RefuseTakenEverywhere(Pod, [port])).Message);
    }

    [Fact]
    public void A_port_of_one_address_is_refused_where_it_is_needed_and_leaves_pods_theirs()
    {
        using TcpListener other = Listen(IPAddress.Loopback, out int port);
        PortProbe.RefuseTakenEverywhere(Pod, [port]);
        Assert.Equal($"port {port} is taken; choose another with --port", Assert.Throws<CliException>(() => PortProbe.RefuseTaken("--port", port)).Message);
    }

    private static TcpListener Listen(IPAddress address, out int port)
    {
        var listener = new TcpListener(address, 0);
        listener.Start();
        port = ((IPEndPoint)listener.LocalEndpoint).Port;
        return listener;
    }
}
