using AiFabric.Cli;
using AiFabric.Cli.Fabric;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class FabricPortsTests
{
    private static readonly FabricPorts Running = new(6500, 9090);

    [Fact]
    public void A_new_fabric_gets_the_ports_asked_for_and_else_the_defaults()
    {
        Assert.Equal(new FabricPorts(6443, 8080), FabricPorts.Choose(null, null, null));
        Assert.Equal(new FabricPorts(6443, 9090), FabricPorts.Choose(null, null, 9090));
        Assert.Equal(new FabricPorts(6500, 8080), FabricPorts.Choose(null, 6500, null));
    }

    [Theory]
    [InlineData(0, null, "--port is 0; it must be from 1 to 65535")]
    [InlineData(null, 70000, "--gateway-port is 70000; it must be from 1 to 65535")]
    [InlineData(8080, null, "--port and --gateway-port are both 8080; they must differ")]
    public void Ports_that_cannot_be_are_refused(int? api, int? gateway, string problem) =>
        Assert.Equal(problem, Assert.Throws<CliException>(() => FabricPorts.Choose(null, api, gateway)).Message);

    [Fact]
    public void A_running_fabric_keeps_its_ports()
    {
        Assert.Equal(Running, FabricPorts.Choose(Running, null, null));
        Assert.Equal(Running, FabricPorts.Choose(Running, 6500, 9090));
    }

    [Theory]
    [InlineData(6443, null, "the fabric runs with --port 6500, not 6443; 'aifabric down' first")]
    [InlineData(null, 8080, "the fabric runs with --gateway-port 9090, not 8080; 'aifabric down' first")]
    public void A_running_fabric_refuses_other_ports(int? api, int? gateway, string problem) =>
        Assert.Equal(problem, Assert.Throws<CliException>(() => FabricPorts.Choose(Running, api, gateway)).Message);
}
