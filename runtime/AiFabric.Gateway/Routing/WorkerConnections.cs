using System.Net;
using System.Net.Sockets;

namespace AiFabric.Gateway.Routing;

/// <summary>Connections to workers and functions.</summary>
internal static class WorkerConnections
{
    // A node that is lost sends nothing, not even that it is: a connection on which nobody answers is given up after a minute, however long an answer may take.
    private const int SilentSeconds = 30;
    private const int ProbeSeconds = 10;
    private const int Probes = 3;

    // While something that was sent is not acknowledged there are no keep-alives: Linux sends it again, for a quarter of an hour (tcp_retries2) unless it is told TCP_USER_TIMEOUT (linux/tcp.h).
    private const int UserTimeout = 18;

    /// <summary>Keeps connections; follows no redirect, knows no proxy and no cookie.</summary>
    /// <param name="receiveBytes">Size of the sockets' receive buffers; null leaves it to the kernel.</param>
    public static SocketsHttpHandler Handler(int? receiveBytes = null) => new()
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, receiveBytes, cancellationToken),
    };

    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint to, int? receiveBytes, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, SilentSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, ProbeSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Probes);
            if (OperatingSystem.IsLinux())
                socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, UserTimeout, BitConverter.GetBytes((SilentSeconds + (ProbeSeconds * Probes)) * 1_000));
            if (receiveBytes is { } bytes)
                socket.ReceiveBufferSize = bytes;
            await socket.ConnectAsync(to, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
