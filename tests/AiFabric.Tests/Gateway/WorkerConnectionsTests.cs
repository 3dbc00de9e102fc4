using System.Net;
using System.Net.Sockets;
using AiFabric.Gateway.Routing;
using Xunit;

namespace AiFabric.Tests.Gateway;

public sealed class WorkerConnectionsTests
{
    private const int UserTimeout = 18; // TCP_USER_TIMEOUT

    [Fact]
    public async Task What_is_sent_to_a_node_that_is_gone_is_given_up_after_a_minute_like_its_silence()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The option is Linux's.");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using SocketsHttpHandler handler = WorkerConnections.Handler();
        Func<SocketsHttpConnectionContext, CancellationToken, ValueTask<Stream>> connect = handler.ConnectCallback!; // It has one.
        var milliseconds = new byte[sizeof(int)];
        handler.ConnectCallback = async (context, cancellationToken) =>
        {
            await using Stream stream = await connect(context, cancellationToken);
            ((NetworkStream)stream).Socket.GetRawSocketOption((int)SocketOptionLevel.Tcp, UserTimeout, milliseconds);
            throw new IOException("Enough was seen.");
        };
        using var http = new HttpClient(handler);

        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(new Uri($"http://{listener.LocalEndpoint}/")));

        Assert.Equal(60_000, BitConverter.ToInt32(milliseconds));
    }
}
