using System.Net;
using System.Net.Sockets;

namespace AiFabric.Cli.Fabric;

/// <summary>Finds ports that other programs hold, before a part of the fabric fails on them.</summary>
internal static class PortProbe
{
    /// <summary>Refuses a port of 127.0.0.1 that an option chose.</summary>
    /// <exception cref="CliException">Another program listens on it.</exception>
    public static void RefuseTaken(string option, int port)
    {
        if (!IsFree(IPAddress.Loopback, port))
            throw new CliException($"port {port} is taken; choose another with {option}");
    }

    /// <summary>Pods have fixed ports on addresses of their own, so only a program that listens on all addresses is in their way.</summary>
    /// <param name="unused">An address of the pod network that no pod has.</param>
    /// <param name="ports">The pods' ports.</param>
    /// <exception cref="CliException">Another program listens on one of them.</exception>
    public static void RefuseTakenEverywhere(IPAddress unused, IEnumerable<int> ports)
    {
        foreach (int port in ports)
        {
            if (!IsFree(unused, port))
                throw new CliException($"port {port} is in use on all addresses by another program; the fabric's pods need it");
        }
    }

    private static bool IsFree(IPAddress address, int port)
    {
        try
        {
            using var probe = new TcpListener(address, port);
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
